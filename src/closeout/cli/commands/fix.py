"""`invoke fix.all` and its like: close gaps, or show how they would be closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from closeout.cli.commands.detect import detection, readable
from closeout.cli.commands.report import conclude, remembered, ruled, static_evidence
from closeout.console import progress, redaction
from closeout.console.output import give, say
from closeout.engine import patch_series, planner, waivers
from closeout.errors import ExitCode
from closeout.fs import cache, codec, writer
from closeout.fs.tree import DiskTree, Overlay, digest
from closeout.gaps import GAPS
from closeout.model import Gap, Tree
from closeout.reporting import report, terminal
from closeout.resources import BUNDLE
from closeout.runs import evidence_store, plan_record, store
from closeout.runs.workspace import Workspace

PATCHES = BUNDLE / "patches"
_STATIC = "static"


def fix(space: Workspace, gaps: Sequence[Gap]) -> ExitCode:
    """Close the gaps on the workspace's tree and rule on what is static."""
    space.announce()
    for run in store.recover(space.reports, space.root):
        say(f"rolled back the interrupted run {run.id}")
    tree = readable(space)
    _assert_usable(space, tree)
    plan = _plan(gaps, tree)
    progress.step(f"writing {len(plan.edits)} files")
    run = write(space, plan)
    tree.keep()
    after = DiskTree(space.root, cache.place_of(space.root))
    # The rules see bytes alone: on a tree that is as planned they find what they found.
    is_planned = digest(after) == digest(Overlay(tree, plan.edits))
    found = detection(GAPS, after, plan.after if is_planned else {})
    seen = static_evidence(space, after, plan.before, found)
    evidence_store.write(run.evidence, _STATIC, seen)
    return conclude(space, run, ruled(space, run.id, after, plan_record.of_plan(plan), found))


def write(space: Workspace, plan: planner.Plan) -> store.Run:
    """Write a plan's edits, its record and its journal; returns the run that did it."""
    writer.assert_writable(space.root, plan.edits)
    run = store.start(space.reports, space.root, "fix")
    plan_record.keep(run.folder, plan_record.of_plan(plan), plan)
    if plan.edits:
        writer.open_journal(run.journal, space.root, plan.edits)
        writer.commit(space.root, plan.edits)
        writer.close_journal(run.journal)
    return run


def show(space: Workspace, gaps: Sequence[Gap]) -> ExitCode:
    """Print what `fix` would write and how the gaps would stand; write nothing."""
    space.announce()
    tree = readable(space)
    plan = _plan(gaps, tree)
    derived = [
        redaction.diff(patch.diff, plan.secrets).decode("utf-8", "replace")
        for item in plan.proposals
        for patch in item.patches
        if patch.origin == "derived"
    ]
    for diff in derived:
        say(diff)
    give("derived", derived)
    after = Overlay(tree, plan.edits)
    record = plan_record.of_plan(plan)
    made = ruled(space, "dry-run", after, record, detection(GAPS, after, plan.after))
    say(terminal.to_terminal(made))
    say("\ndry run: nothing was written")
    give("report", report.to_json(made))
    return made.exit_code


def _plan(gaps: Sequence[Gap], tree: Tree) -> planner.Plan:
    plan = planner.plan(gaps, tree, _prepared)
    kept = plan_record.of_plan(plan)
    say(plan_record.told(kept))
    give("plan", codec.plain(kept))
    for item in tree.unreadable():
        say(f"not read: {item.path}: {item.detail}")
    return plan


def _prepared(slug: str) -> patch_series.PreparedSet:
    progress.step(f"planning {slug}")
    return patch_series.load(PATCHES, slug)


def _assert_usable(space: Workspace, tree: Tree) -> None:
    """Raise now what judging would raise of waivers, evidence and records: nothing is written."""
    waivers.load(tree, datetime.now(UTC).date())
    evidence_store.gather(space.reports, space.root)
    remembered(space, tree)
