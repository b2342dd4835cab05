"""Fix, undo, detect, audit and report: what the doors call. Each prints and returns a code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from closeout.console import progress
from closeout.console.output import give, say
from closeout.engine import evaluate, patch_series, planner, waivers
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import cache, writer
from closeout.fs.tree import DiskTree, Overlay, digest
from closeout.gaps import GAPS
from closeout.model import Check, Gap, Reason, Tree, Unresolved
from closeout.model.verdicts import Evidence, Ruling
from closeout.reporting import bundle, report
from closeout.resources import BUNDLE
from closeout.runs import evidence_store, plan_record, store
from closeout.runs.plan_record import Record
from closeout.runs.workspace import Workspace
from closeout.workorders.wo_004 import WO_004

PATCHES = BUNDLE / "patches"
_STATIC = "static"


def select(only: str) -> tuple[Gap, ...]:
    """Return the gaps that a comma list of slugs names, all for an empty one, in order.

    Raises CloseoutError("gap-unknown").
    """
    asked = {slug.strip() for slug in only.split(",") if slug.strip()}
    known = {gap.slug for gap in GAPS}
    if asked - known:
        raise CloseoutError(
            "gap-unknown",
            f"there is no gap {', '.join(sorted(asked - known))}.",
            hint=f"name some of {', '.join(gap.slug for gap in GAPS)}.",
        )
    return tuple(gap for gap in GAPS if not asked or gap.slug in asked)


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
    seen = static_evidence(space, after, plan.before)
    evidence_store.write(run.evidence, _STATIC, seen)
    return conclude(space, run, ruled(space, run.id, after, plan_record.of_plan(plan)))


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
        patch.diff.decode("utf-8", "replace")
        for item in plan.proposals
        for patch in item.patches
        if patch.origin == "derived"
    ]
    for diff in derived:
        say(diff)
    give("derived", derived)
    made = ruled(space, "dry-run", Overlay(tree, plan.edits), plan_record.of_plan(plan))
    say(report.to_terminal(made))
    say("\ndry run: nothing was written")
    give("report", report.to_json(made))
    return made.exit_code


def undo(space: Workspace, run_id: str) -> ExitCode:
    """Put back the bytes from before a run, the latest one where `run_id` is empty."""
    space.announce()
    if run_id:
        run = store.find(space.reports, run_id)
    else:
        run = store.newest_undoable(space.reports, space.root)
    restored = store.undo(run)
    say(f"run {run.id} undone: {len(restored)} files restored")
    give("undone", {"run": run.id, "files": [str(path) for path in restored]})
    return ExitCode.SETTLED


def detect(space: Workspace, gaps: Sequence[Gap]) -> ExitCode:
    """Print every open place; nothing is written but what the next run may recall."""
    space.announce()
    tree = readable(space)
    found = _detect(gaps, tree)
    tree.keep()
    places = [place for checks in found.values() for place in planner.findings(checks)]
    for place in places:
        told = "named" if place.named else "unnamed"
        say(f"{place.path}:{place.line}: {place.criterion} {place.rule} ({told}) {place.message}")
    checks = [check for made in found.values() for check in made]
    unjudged = evaluate.unjudged(checks, tree.unreadable())
    refused = dict.fromkeys((*(item for check in checks for item in check.unresolved), *unjudged))
    for item in refused:
        say(f"{item.path}:{item.line}: not judged, {item.reason.value}: {item.detail}")
    say(f"{len(places)} open, {len(refused)} not judged")
    give("places", [report.finding_json(place) for place in places])
    give("not_judged", [plan_record.place_json(item) for item in refused])
    if any(item.reason is Reason.OURS for item in refused):
        return ExitCode.OWN_BUG
    return ExitCode.GAPS_LEFT if places or refused else ExitCode.SETTLED


def build_report(space: Workspace) -> ExitCode:
    """Merge all evidence about the tree into the latest run's report."""
    space.announce()
    tree = readable(space)
    run = store.latest(space.reports, space.root)
    return conclude(space, run, ruled(space, run.id, tree, remembered(space, tree)))


def build_lenient_report(space: Workspace) -> ExitCode:
    """Build the report; what is unproven does not count against it."""
    code = build_report(space)
    return ExitCode.SETTLED if code is ExitCode.UNPROVEN else code


def _plan(gaps: Sequence[Gap], tree: Tree) -> planner.Plan:
    plan = planner.plan(gaps, tree, _prepared)
    kept = plan_record.of_plan(plan)
    say(plan_record.told(kept))
    give("plan", plan_record.to_json(kept))
    for item in tree.unreadable():
        say(f"not read: {item.path}: {item.detail}")
    return plan


def _prepared(slug: str) -> patch_series.PreparedSet:
    progress.step(f"planning {slug}")
    return patch_series.load(PATCHES, slug)


def _detect(gaps: Sequence[Gap], tree: Tree) -> planner.Detection:
    found: dict[str, tuple[Check, ...]] = {}
    for gap in gaps:
        progress.step(f"detecting {gap.slug}")
        found |= planner.detect((gap,), tree)
    return found


def ruled(space: Workspace, run_id: str, tree: Tree, record: Record) -> report.Report:
    """Return the rulings on `tree`: detected now, proven by what the runs about it gathered."""
    tree_digest = digest(tree)
    found = _detect(GAPS, tree)
    unreadable = tree.unreadable()
    now = datetime.now(UTC)
    proven = [
        item
        for item in evidence_store.gather(space.reports, space.root)
        if not item.probe.startswith(evaluate.DETECTOR)
    ]
    register = waivers.load(tree, now.date())
    stopped = {
        gap.slug: planner.stops(found[gap.slug], record.unresolved.get(gap.slug, ()))
        for gap in GAPS
    }
    case = evaluate.Case(
        tree_digest=tree_digest,
        detection=found,
        unresolved=record.unresolved,
        evidence=(*static_evidence(space, tree, found), *proven),
        waivers=register.in_force,
        unreadable=unreadable,
        stopped={number: stopped[gap.slug] for gap in GAPS for number in gap.criteria},
    )
    rulings = evaluate.judge(WO_004, case)
    open_now = report.open_places(found)
    return report.Report(
        work_order=WO_004,
        gaps=GAPS,
        root=space.root.name,
        tree_digest=tree_digest,
        run_id=run_id,
        rulings=rulings,
        before={**open_now, **record.before},
        after=open_now,
        unnamed_before={**report.unnamed_places(found), **record.unnamed},
        unreadable=unreadable,
        unresolved=record.unresolved,
        changes=record.changes,
        findings=tuple(place for checks in found.values() for place in planner.findings(checks)),
        bugs=_bugs(stopped.values(), rulings),
        notices=(*register.notices, *waivers.unused(register, rulings)),
    )


def _bugs(stopped: Iterable[Sequence[Unresolved]], rulings: Sequence[Ruling]) -> tuple[str, ...]:
    """Return the failures of ours among what stops gaps and what probes ran into."""
    of_gaps = (item.detail for items in stopped for item in items if item.reason is Reason.OURS)
    of_probes = (item.bug for ruling in rulings for item in ruling.evidence if item.bug)
    return tuple(dict.fromkeys((*of_gaps, *of_probes)))


def static_evidence(
    space: Workspace, tree: Tree, before: planner.Detection
) -> tuple[Evidence, ...]:
    """Return what the detectors see now; an earlier run's answer from before the fix is kept."""
    found = _detect(GAPS, tree)
    tree_digest = digest(tree)
    made = evaluate.static_evidence({**found, **before}, found, tree_digest, datetime.now(UTC))
    earlier: Mapping[tuple[str, str], Evidence] = {
        (item.probe, item.criterion): item
        for item in evidence_store.gather(space.reports, space.root)
        if item.subject_digest == tree_digest and item.before is not None
    }
    return tuple(
        replace(item, before=earlier[item.probe, item.criterion].before)
        if (item.probe, item.criterion) in earlier
        else item
        for item in made
    )


def remembered(space: Workspace, tree: Tree) -> Record:
    """Return what the runs that still stand wrote, merged, the newest one's refusals last.

    What stopped a gap's fix in such a run no longer counts once the gap has no open place.
    """
    standing = store.undoable(space.reports, space.root)
    kept = plan_record.merged([plan_record.read(run.folder) for run in reversed(standing)])
    stopped = [gap for gap in GAPS if planner.stops((), kept.unresolved.get(gap.slug, ()))]
    seen = planner.detect(stopped, tree)
    settled = {slug for slug, checks in seen.items() if not planner.findings(checks)}
    left = {slug: items for slug, items in kept.unresolved.items() if slug not in settled}
    return replace(kept, unresolved=left)


def readable(space: Workspace) -> DiskTree:
    """Return the workspace's tree; raises CloseoutError where not one file can be read."""
    tree = DiskTree(space.root, cache.place_of(space.root))
    if not any(tree.read(path) is not None for path in tree.paths()):
        refused = tree.unreadable()
        raise CloseoutError(
            "root-unreadable",
            f"none of {space.root}'s files can be read; {refused[0].path}: {refused[0].detail}.",
            hint="make the files readable, then run the command again.",
        )
    return tree


def _assert_usable(space: Workspace, tree: Tree) -> None:
    """Raise now what judging would raise of waivers, evidence and records: nothing is written."""
    waivers.load(tree, datetime.now(UTC).date())
    evidence_store.gather(space.reports, space.root)
    remembered(space, tree)


def conclude(space: Workspace, run: store.Run, made: report.Report) -> ExitCode:
    """Write the run's bundle and print its report; returns the report's code."""
    progress.step("writing the report")
    bundle.build(space, run, made)
    say(report.to_terminal(made))
    say(f"\nreport: {space.shown_reports}/{run.id}/report.html, report.md, report.json")
    give("run", {"id": run.id, "folder": str(run.folder)})
    give("report", report.to_json(made))
    return made.exit_code
