"""`invoke fix.all` and its like: close gaps, or show how they would be closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from closeout.cli.commands import undo
from closeout.cli.commands.detect import detection, readable
from closeout.cli.commands.report import conclude, remembered, ruled, standing, static_evidence
from closeout.console import progress, redaction
from closeout.console.layout import counted, wrapped
from closeout.console.output import Detail, detail, give, say, show_diff, sum_up
from closeout.engine import patch_series, planner, rules, waivers
from closeout.errors import ExitCode
from closeout.fs import cache, codec, lock, transaction, writer
from closeout.fs.tree import DiskTree, Overlay, digest
from closeout.gaps import GAPS
from closeout.model import Gap, Reason, Tree, Unresolved
from closeout.reporting import places, report, terminal
from closeout.resources import BUNDLE
from closeout.runs import evidence_store, plan_record, store
from closeout.runs.workspace import Workspace

PATCHES = BUNDLE / "patches"
_STATIC = "static"
_REPORT = 4 * 1024 * 1024
"""Bytes that a report, its proofs and its seal take at most, the diffs in it not counted."""


def fix(space: Workspace, gaps: Sequence[Gap]) -> ExitCode:
    """Close the gaps on the workspace's tree and rule on what is static."""
    space.announce()
    with lock.held(space.root):
        undo.recover(space)
        tree = readable(space)
        _assert_usable(space, tree)
        earlier = standing(space)
        plan, run = _written(space, gaps, tree)
        record = plan_record.of_plan(plan)
        tree.keep()
        after = DiskTree(space.root, cache.place_of(space.root))
        # The rules see bytes alone: on a tree that is as planned they find what they found.
        is_planned = digest(after) == digest(Overlay(tree, plan.edits))
        found = detection(GAPS, after, plan.after if is_planned else {})
        seen = static_evidence(space, after, plan.before, found)
        evidence_store.write(run.evidence, _STATIC, seen)
        made = ruled(space, run.id, after, plan_record.merged([*earlier, record]), found)
        after.keep()
        _tell_places(plan, (), found, gaps)
        return conclude(space, run, made, gaps)


def _written(space: Workspace, gaps: Sequence[Gap], tree: Tree) -> tuple[planner.Plan, store.Run]:
    """Write what can be written; a gap whose file is in somebody's hands is refused."""
    refused: dict[str, Unresolved] = {}
    while True:
        plan = _plan(gaps, tree, refused)
        progress.step(f"writing {len(plan.edits)} files")
        troubles = transaction.troubles(space.root, plan.edits) if plan.edits else {}
        if not troubles:
            try:
                return plan, write(space, plan)
            except transaction.ChangedError as error:
                troubles = {error.path: error.why}
        refused |= _refusals(plan, troubles)


def _refusals(plan: planner.Plan, troubles: Mapping[PurePosixPath, str]) -> dict[str, Unresolved]:
    """Return why nothing of a gap is written that would touch one of these files, by slug."""
    return {
        proposal.gap: Unresolved(
            path=edit.path,
            reason=Reason.UNUSABLE,
            detail=f"{edit.path} is left as it is: {troubles[edit.path]}",
            hint="mend that, then run the command again.",
        )
        for proposal in plan.proposals
        for edit in proposal.edits
        if edit.path in troubles
    }


def write(space: Workspace, plan: planner.Plan) -> store.Run:
    """Write a plan's edits, its record and its journal; returns the run that did it.

    What is recorded comes first, and room for the report is held meanwhile. A run that had to be
    put back since a file changed is forgotten: it raises ChangedError.
    """
    run = store.start(space.reports, space.root, "fix")
    diffs = sum(len(patch.diff) for item in plan.proposals for patch in item.patches)
    try:
        with writer.room(run.folder, _REPORT + 4 * diffs):
            plan_record.keep(run.folder, plan_record.of_plan(plan), plan)
            transaction.commit(space.root, plan.edits, run=run.id, kept=run.journal)
    except transaction.ChangedError:
        store.drop(run)
        raise
    return run


def show(space: Workspace, gaps: Sequence[Gap], *, diff: bool = False) -> ExitCode:
    """Print what `fix` would write and how the gaps would stand; write nothing.

    With `diff`, the unified diff of every file is printed too, prepared ones as well.
    """
    space.announce()
    tree = readable(space)
    plan = _plan(gaps, tree, {})
    record = plan_record.of_plan(plan)
    _tell_places(plan, record.changes, plan.before, gaps)
    _give_diffs(plan, shown=diff)
    after = Overlay(tree, plan.edits)
    whole = plan_record.merged([*standing(space), record])
    made = ruled(space, "dry-run", after, whole, detection(GAPS, after, plan.after))
    say(terminal.to_terminal(made, gaps, space.told_root, whole=detail() is Detail.VERBOSE))
    say()
    sum_up("\n".join(wrapped("", f"dry run: {terminal.summary(made, gaps)}")))
    give("report", report.to_json(made))
    return made.exit_code_of(gaps)


def _give_diffs(plan: planner.Plan, *, shown: bool) -> None:
    patches = [
        (patch.origin, redaction.diff(patch.diff, plan.secrets).decode("utf-8", "replace"))
        for item in plan.proposals
        for patch in item.patches
    ]
    if shown:
        for _, text in patches:
            show_diff(text)
        say()
    give("derived", [text for origin, text in patches if origin == "derived"])


def _tell_places(
    plan: planner.Plan,
    changes: Sequence[plan_record.Change],
    found: rules.Detection,
    gaps: Sequence[Gap],
) -> None:
    """Tell some open places by gap, and what is left alone."""
    whole = detail() is Detail.VERBOSE
    added = {edit.path for edit in plan.edits if edit.before is None}
    for gap in gaps:
        group = places.Group(
            gap=gap,
            findings=rules.findings(found[gap.slug]),
            refused=plan.unresolved.get(gap.slug, ()),
            changes=[item for item in changes if item.gap == gap.slug],
            added=added,
        )
        if group.findings or group.changes:
            say("\n".join(["", *places.told(group, whole=whole)]))
    refused = places.left_alone(plan.unresolved, whole=whole)
    if refused:
        say("\n".join(["", "left alone:", *refused]))
    say()


def _plan(gaps: Sequence[Gap], tree: Tree, refused: Mapping[str, Unresolved]) -> planner.Plan:
    plan = planner.plan(gaps, tree, _prepared, refused)
    kept = plan_record.of_plan(plan)
    added = sum(edit.before is None for edit in plan.edits)
    open_now = [slug for slug, count in kept.before.items() if count]
    found = (
        f"{counted(len(open_now), 'gap')} with {counted(sum(kept.before.values()), 'place')} open, "
        f"{sum(kept.unnamed.values())} not named by the order"
    )
    files = f"{counted(added, 'file')} to add, {len(plan.edits) - added} to change"
    say(
        f"plan: {found if open_now else 'no place found open'}; "
        f"{files if plan.edits else 'no file to write'}"
    )
    give("plan", codec.plain(kept))
    return plan


def _prepared(slug: str) -> patch_series.PreparedSet:
    progress.step(f"planning {slug}")
    return patch_series.load(PATCHES, slug)


def _assert_usable(space: Workspace, tree: Tree) -> None:
    """Raise now what judging would raise of waivers, evidence and records: nothing is written."""
    waivers.load(tree, datetime.now(UTC).date())
    evidence_store.gather(space.reports, space.root)
    remembered(space, tree)
