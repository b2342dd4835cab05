"""One gap's edits on a tree: prepared patches where they fit, derived ones elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.console import failures
from closeout.engine import recalled, rules
from closeout.engine.patch_series import PreparedSet
from closeout.engine.subjects import absent
from closeout.errors import CloseoutError
from closeout.formats.images import shipped
from closeout.fs import patching
from closeout.fs.tree import Overlay
from closeout.model import (
    NO_CRITERION,
    Changeset,
    Check,
    Edit,
    Gap,
    Patch,
    Proposal,
    Reason,
    Tree,
    Unresolved,
)
from closeout.parsing import syntax

_ROUNDS = 5
"""How often a gap is asked again on what it has laid, where two of its edits met in a file."""


def propose(gap: Gap, tree: Tree, checks: Sequence[Check], prepared: PreparedSet) -> Proposal:
    """Return one gap's edits on `tree`: prepared patches where they fit, derived ones elsewhere.

    Edits that leave one of their files broken in its own language are all dropped; so are those
    of a gap that fails by itself. What they leave open, `surviving` tells.
    """
    if stopped := rules.stops(checks, ()):
        return Proposal(gap=gap.slug, edits=(), unresolved=stopped)
    try:
        return recalled.proposal(
            tree,
            gap,
            f"{prepared.digest} {checks!r}",
            lambda seen: _proposed(gap, seen, checks, prepared),
        )
    except Exception as error:  # noqa: BLE001 - a bug stays in its gap
        failure = failures.of_gap(f"{gap.slug}: fix", error)
        return Proposal(gap=gap.slug, edits=(), unresolved=(failure,))


def _proposed(gap: Gap, tree: Tree, checks: Sequence[Check], prepared: PreparedSet) -> Proposal:
    if gap.criteria and absent(gap, tree).keys() >= set(gap.criteria):
        return Proposal(gap=gap.slug, edits=())
    open_paths = {finding.path for finding in rules.findings(checks)}
    withheld = tuple(_at_finding(item, checks) for item in prepared.withheld)
    withheld = tuple(item for item in withheld if item.path in open_paths)
    held = frozenset(item.path for item in prepared.withheld) if withheld else frozenset()
    stage = Overlay(tree, held=held)
    used = _lay_patches(stage, prepared.patches)
    laid, refused = _lay_derived(stage, gap)
    used += laid
    unresolved = [*withheld, *refused]
    if broken := _broken(stage):
        return Proposal(gap=gap.slug, edits=(), unresolved=(*unresolved, *broken))
    return Proposal(
        gap=gap.slug, edits=stage.edits, patches=tuple(used), unresolved=tuple(unresolved)
    )


def _lay_patches(stage: Overlay, patches: Sequence[Patch]) -> list[Patch]:
    """Lay the patches that fit, and return them; one git process does it where all of them do.

    A patch that only makes files says nothing of a tree by fitting: it counts where all that
    change code fit as well, so where the tree is the one that they were made from.
    """
    new = [each for each in patches if all(stage.read(path) is None for path in each.targets)]
    patches = [each for each in patches if each not in new]
    laid = _laid_together(stage, patches)
    return laid + (_laid_together(stage, new) if laid and len(laid) == len(patches) else [])


def _laid_together(stage: Overlay, patches: Sequence[Patch]) -> list[Patch]:
    targets = [path for patch in patches for path in patch.targets]
    apart = len(set(targets)) == len(targets)
    likely = [patch for patch in patches if not apart or patching.may_apply(stage, patch)]
    if apart and likely and _lay_patch(stage, patching.joined(likely)):
        return likely
    return [patch for patch in likely if _lay_patch(stage, patch)]


def _lay_derived(stage: Overlay, gap: Gap) -> tuple[list[Patch], list[Unresolved]]:
    """Lay what the gap derives, but for files that are held; return the patches and the refusals.

    Where two changesets meet in a file, the second one is derived again on what the first wrote.
    """
    laid: list[Changeset] = []
    for _ in range(_ROUNDS):
        refused: list[Unresolved] = []
        met: list[Unresolved] = []
        before = len(laid)
        for changeset in shipped(stage, gap.fix(stage)):
            refused += changeset.unresolved
            if any(edit.path in stage.held for edit in changeset.edits):
                continue
            edits, contested = _tried(stage, changeset.edits)
            met += [_contested(path) for path in contested]
            for edit in edits:
                stage.lay(edit)
            if edits:
                laid.append(replace(changeset, edits=edits))
        if not met or len(laid) == before:
            break
    return _derived(gap.slug, laid), [*refused, *met]


def _tried(
    stage: Overlay, edits: Sequence[Edit]
) -> tuple[tuple[Edit, ...], tuple[PurePosixPath, ...]]:
    """Return the edits that are still to be laid, or the files of which they know another state."""
    trial = Overlay(stage)
    fresh = []
    for edit in edits:
        now = trial.read(edit.path)
        # Another changeset may have made the same edit: a place has one owner.
        if now == edit.left:
            continue
        if now != edit.before:
            return (), (edit.path,)
        trial.lay(edit)
        fresh.append(edit)
    return tuple(fresh), ()


def _contested(path: PurePosixPath) -> Unresolved:
    return Unresolved(
        path=path,
        reason=Reason.AMBIGUOUS,
        detail="two edits of this file contradict each other; the first one stands",
    )


def _lay_patch(stage: Overlay, patch: Patch) -> bool:
    if not patching.may_apply(stage, patch):
        return False
    broken = {path for path in patch.targets if syntax.trouble(path, stage.read(path) or b"")}
    try:
        edits = patching.stage(stage, patch)
    except CloseoutError:
        return False
    # git would edit a file that does not parse; only a patch that mends it may.
    if any(edit.path in broken and syntax.trouble(edit.path, edit.after) for edit in edits):
        return False
    for edit in edits:
        stage.lay(edit)
    return True


def _derived(slug: str, changesets: Sequence[Changeset]) -> list[Patch]:
    diffs = patching.diffs([changeset.edits for changeset in changesets])
    return [
        Patch(
            slug=slug,
            name=changeset.name,
            diff=diff,
            targets=tuple(edit.path for edit in changeset.edits),
            origin="derived" if changeset.source.value == "code" else changeset.source.value,
        )
        for changeset, diff in zip(changesets, diffs, strict=True)
    ]


def _broken(stage: Overlay) -> tuple[Unresolved, ...]:
    """Return the staged edits that would leave a file broken which was whole."""
    return tuple(
        Unresolved(
            path=edit.path,
            reason=Reason.UNPARSABLE,
            line=trouble.line,
            detail=f"the fix would leave it broken: {trouble.message}",
        )
        for edit in stage.edits
        if (trouble := syntax.trouble(edit.path, edit.after)) is not None
        and (edit.before is None or syntax.trouble(edit.path, edit.before) is None)
    )


def surviving(proposal: Proposal, after: Sequence[Check]) -> tuple[Unresolved, ...]:
    """Return why edits must not be written that leave open what they are about.

    `after` is what the gap's rules find with the edits; refused places are known to stay open.
    """
    edited = {edit.path for edit in proposal.edits} - {item.path for item in proposal.unresolved}
    return tuple(
        Unresolved(
            path=finding.path,
            reason=Reason.DRIFTED,
            line=finding.line,
            detail=f"the fix does not close it: {finding.message}",
            hint=f"invoke fix.{proposal.gap} --dry-run shows what was tried.",
        )
        for finding in rules.findings(after)
        if finding.path in edited and finding.criterion != NO_CRITERION
    )


def _at_finding(item: Unresolved, checks: Sequence[Check]) -> Unresolved:
    """Return the withheld place with the line of its finding, where it has one."""
    lines = [found.line for found in rules.findings(checks) if found.path == item.path]
    return replace(item, line=min(lines, default=1))
