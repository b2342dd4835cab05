"""Detect, propose, stage, detect again: the pure half of a close-out. It never names a gap."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.console import failures
from closeout.engine import rules
from closeout.engine.patch_series import PreparedSet
from closeout.errors import CloseoutError
from closeout.fs import patching
from closeout.fs.tree import Overlay
from closeout.model import (
    Changeset,
    Check,
    Edit,
    Finding,
    Gap,
    Patch,
    Proposal,
    Reason,
    Tree,
    Unresolved,
)
from closeout.parsing import syntax

Detection = Mapping[str, tuple[Check, ...]]
"""Gap slug to the checks made on one tree."""

_ROUNDS = 5
"""How often a gap is asked again on what it has laid, where two of its edits met in a file."""

_SELDOM = 200_000
"""Objects made before one look for dead cycles: parsing makes many objects and hardly a cycle."""

# What is left at the end dies with the process; a last look for cycles would take a tenth of a run.
atexit.register(gc.freeze)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run would write, and what each gap looks like before and after it."""

    before: Detection
    after: Detection
    proposals: tuple[Proposal, ...]
    edits: tuple[Edit, ...]
    """Net edits against the tree, sorted by path."""

    @property
    def unresolved(self) -> Mapping[str, tuple[Unresolved, ...]]:
        """Return each gap's places that were left alone, by slug."""
        return {proposal.gap: proposal.unresolved for proposal in self.proposals}


def detect(gaps: Sequence[Gap], tree: Tree) -> Detection:
    """Return every gap's checks on `tree`."""
    with _garbage_seldom_sought():
        return {gap.slug: _detected(gap, tree) for gap in gaps}


def findings(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Return all findings of some checks, in order of path and line."""
    found = [finding for check in checks for finding in check.findings]
    return tuple(sorted(found, key=lambda item: (item.path, item.line, item.rule)))


def plan(gaps: Sequence[Gap], tree: Tree, prepared: Callable[[str], PreparedSet]) -> Plan:
    """Return what to write so that the gaps close; nothing is written.

    `prepared` gives a gap's prepared patches by slug.
    """
    stopped: dict[str, Unresolved] = {}
    with _garbage_seldom_sought():
        while True:
            made = _planned(gaps, Overlay(tree), prepared, stopped)
            failed = {
                proposal.gap: failure
                for proposal in made.proposals
                if proposal.edits and (failure := _failure(made, proposal))
            }
            if not failed:
                return made
            # Later gaps have built on the edits that must go now: all is planned again.
            stopped |= failed


def stops(checks: Sequence[Check], refused: Sequence[Unresolved]) -> tuple[Unresolved, ...]:
    """Return what stops a whole gap, among what was seen of it and what was refused."""
    seen = (item for check in checks for item in check.unresolved)
    return tuple(dict.fromkeys(item for item in (*refused, *seen) if item.reason.stops_gap))


def _failure(made: Plan, proposal: Proposal) -> Unresolved | None:
    return next(iter(stops(made.after[proposal.gap], proposal.unresolved)), None)


def _detected(gap: Gap, tree: Tree) -> tuple[Check, ...]:
    """Return the gap's checks; where its detector fails, one a criterion that says so."""
    try:
        return rules.checks(gap, tree)
    except Exception as error:  # noqa: BLE001 - a bug stays in its gap
        failure = failures.of_gap(f"{gap.slug}: detect", error)
        return tuple(
            Check(rule="detector", criterion=number, examined=(), unresolved=(failure,))
            for number in gap.criteria
        )


def _planned(
    gaps: Sequence[Gap],
    overlay: Overlay,
    prepared: Callable[[str], PreparedSet],
    stopped: Mapping[str, Unresolved],
) -> Plan:
    before, after = {}, {}
    proposals = []
    for gap in gaps:
        before[gap.slug] = _detected(gap, overlay)
        if gap.slug in stopped:
            proposal = Proposal(gap=gap.slug, edits=(), unresolved=(stopped[gap.slug],))
        else:
            proposal = propose(gap, overlay, before[gap.slug], prepared(gap.slug))
        for edit in proposal.edits:
            overlay.lay(edit)
        proposals.append(proposal)
    for gap in gaps:
        after[gap.slug] = _detected(gap, overlay) if overlay.edits else before[gap.slug]
    made = {edit.path for edit in overlay.edits if edit.before is None}
    for number, gap in enumerate(gaps):
        # A later gap may have made a file that this one has something to say in.
        anew = any(finding.path in made for finding in findings(after[gap.slug]))
        if anew and gap.slug not in stopped:
            proposal = propose(gap, overlay, after[gap.slug], prepared(gap.slug))
            for edit in proposal.edits:
                overlay.lay(edit)
            proposals[number] = _both(proposals[number], proposal)
            after[gap.slug] = _detected(gap, overlay)
    return Plan(before=before, after=after, proposals=tuple(proposals), edits=overlay.edits)


def propose(gap: Gap, tree: Tree, checks: Sequence[Check], prepared: PreparedSet) -> Proposal:
    """Return one gap's edits on `tree`: prepared patches where they fit, derived ones elsewhere.

    Edits that leave one of their files open, or broken in its own language, are all dropped; so
    are those of a gap that fails by itself.
    """
    if stopped := stops(checks, ()):
        return Proposal(gap=gap.slug, edits=(), unresolved=stopped)
    try:
        return _proposed(gap, tree, checks, prepared)
    except Exception as error:  # noqa: BLE001 - a bug stays in its gap
        failure = failures.of_gap(f"{gap.slug}: fix", error)
        return Proposal(gap=gap.slug, edits=(), unresolved=(failure,))


def _proposed(gap: Gap, tree: Tree, checks: Sequence[Check], prepared: PreparedSet) -> Proposal:
    stage = Overlay(tree)
    open_paths = {finding.path for finding in findings(checks)}
    withheld = tuple(_at_finding(item, checks) for item in prepared.withheld)
    withheld = tuple(item for item in withheld if item.path in open_paths)
    held = {item.path for item in prepared.withheld} if withheld else set()
    used = _lay_patches(stage, prepared.patches)
    laid, refused = _lay_derived(stage, gap, held)
    used += laid
    unresolved = [*withheld, *refused]
    spoiled = _spoiled(gap, stage, {item.path for item in unresolved})
    if spoiled:
        return Proposal(gap=gap.slug, edits=(), unresolved=(*unresolved, *spoiled))
    return Proposal(
        gap=gap.slug, edits=stage.edits, patches=tuple(used), unresolved=tuple(unresolved)
    )


@contextmanager
def _garbage_seldom_sought() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(_SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _both(first: Proposal, second: Proposal) -> Proposal:
    return Proposal(
        gap=first.gap,
        edits=(*first.edits, *second.edits),
        patches=(*first.patches, *second.patches),
        unresolved=second.unresolved,
    )


def _lay_patches(stage: Overlay, patches: Sequence[Patch]) -> list[Patch]:
    """Lay the patches that fit, and return them; one git process does it where all of them do."""
    targets = [path for patch in patches for path in patch.targets]
    apart = len(set(targets)) == len(targets)
    likely = [patch for patch in patches if not apart or patching.may_apply(stage, patch)]
    if apart and likely and _lay_patch(stage, patching.joined(likely)):
        return likely
    return [patch for patch in likely if _lay_patch(stage, patch)]


def _lay_derived(
    stage: Overlay, gap: Gap, held: set[PurePosixPath]
) -> tuple[list[Patch], list[Unresolved]]:
    """Lay what the gap derives, but for files in `held`; return the patches and the refusals.

    Where two changesets meet in a file, the second one is derived again on what the first wrote.
    """
    laid: list[Patch] = []
    for _ in range(_ROUNDS):
        refused: list[Unresolved] = []
        met: list[Unresolved] = []
        before = len(laid)
        for changeset in gap.fix(stage):
            refused += changeset.unresolved
            if any(edit.path in held for edit in changeset.edits):
                continue
            edits, contested = _tried(stage, changeset.edits)
            met += [_contested(path) for path in contested]
            for edit in edits:
                stage.lay(edit)
            if edits:
                laid.append(_derived(gap.slug, replace(changeset, edits=edits)))
        if not met or len(laid) == before:
            break
    return laid, [*refused, *met]


def _tried(
    stage: Overlay, edits: Sequence[Edit]
) -> tuple[tuple[Edit, ...], tuple[PurePosixPath, ...]]:
    """Return the edits that are still to be laid, or the files of which they know another state."""
    trial = Overlay(stage)
    fresh = []
    for edit in edits:
        now = trial.read(edit.path)
        # Another changeset may have made the same edit: a place has one owner.
        if now == edit.after:
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


def _derived(slug: str, changeset: Changeset) -> Patch:
    return Patch(
        slug=slug,
        name=changeset.name,
        diff=patching.diff(changeset.edits),
        targets=tuple(edit.path for edit in changeset.edits),
        origin="derived" if changeset.source.value == "code" else changeset.source.value,
    )


def _spoiled(gap: Gap, stage: Overlay, left: set[PurePosixPath]) -> tuple[Unresolved, ...]:
    """Return why the staged edits must not be written; places in `left` are known to stay open."""
    broken = [
        Unresolved(
            path=edit.path,
            reason=Reason.UNPARSABLE,
            line=trouble.line,
            detail=f"the fix would leave it broken: {trouble.message}",
        )
        for edit in stage.edits
        if (trouble := syntax.trouble(edit.path, edit.after)) is not None
        and (edit.before is None or syntax.trouble(edit.path, edit.before) is None)
    ]
    edited = {edit.path for edit in stage.edits} - left
    survivors = [
        Unresolved(
            path=finding.path,
            reason=Reason.DRIFTED,
            line=finding.line,
            detail=f"the fix does not close it: {finding.message}",
            hint=f"invoke fix.{gap.slug} --dry-run shows what was tried.",
        )
        for finding in (findings(rules.checks(gap, stage)) if edited else ())
        if finding.path in edited
    ]
    return (*broken, *survivors)


def _at_finding(item: Unresolved, checks: Sequence[Check]) -> Unresolved:
    """Return the withheld place with the line of its finding, where it has one."""
    lines = [found.line for found in findings(checks) if found.path == item.path]
    return Unresolved(
        path=item.path,
        reason=item.reason,
        detail=item.detail,
        line=min(lines, default=1),
        hint=item.hint,
    )
