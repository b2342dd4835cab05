"""`invoke report.build`, and the rulings that every run ends with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from closeout.cli import session
from closeout.cli.commands import probe
from closeout.cli.commands.detect import detection, readable
from closeout.console import progress
from closeout.console.layout import wrapped
from closeout.console.output import Detail, detail, give, say, sum_up
from closeout.engine import detector_evidence, evaluate, planner, rules, subjects, waivers
from closeout.errors import ExitCode
from closeout.fs.tree import digest
from closeout.gaps import GAPS
from closeout.model import Gap, Reason, Tree, Unresolved, WorkOrder
from closeout.model.verdicts import Evidence, Ruling
from closeout.reporting import bundle, report, terminal
from closeout.runs import evidence_store, plan_record, store
from closeout.runs.plan_record import Record
from closeout.runs.workspace import Workspace
from closeout.workorders import binding, order_files
from closeout.workorders.wo_004 import WO_004


def build(space: Workspace) -> ExitCode:
    """Merge all evidence about the tree into the latest run's report."""
    space.announce()
    tree = readable(space)
    run = store.latest(space.reports, space.root)
    record, found = remembered(space, tree), detection(GAPS, tree)
    return conclude(space, run, ruled(space, run.id, tree, record, found))


def build_lenient(space: Workspace) -> ExitCode:
    """Build the report; what is unproven does not count against it."""
    code = build(space)
    return ExitCode.SETTLED if code is ExitCode.UNPROVEN else code


def ruled(
    space: Workspace, run_id: str, tree: Tree, record: Record, found: rules.Detection
) -> report.Report:
    """Return the rulings on `tree`, proven by what the runs about it gathered.

    `found` is what all the gaps detect on it.
    """
    tree_digest = digest(tree)
    absent = subjects.absent_of(GAPS, tree)
    # Only now: looking for subjects meets files that nothing else looked into.
    unreadable = tree.unreadable()
    now = datetime.now(UTC)
    proven = [
        item
        for item in evidence_store.gather(space.reports, space.root)
        if not item.probe.startswith(detector_evidence.DETECTOR)
    ]
    register = waivers.load(tree, now.date())
    stopped = {
        gap.slug: rules.stops(found[gap.slug], record.unresolved.get(gap.slug, ())) for gap in GAPS
    }
    case = evaluate.Case(
        tree_digest=tree_digest,
        detection=found,
        unresolved=record.unresolved,
        evidence=(*static_evidence(space, tree, found, found), *proven),
        waivers=register.in_force,
        unreadable=unreadable,
        absent=absent,
        stopped={number: stopped[gap.slug] for gap in GAPS for number in gap.criteria},
        asked=probe.asked(tree) | {item for gate in session.gates() for item in gate.criteria},
    )
    order, gaps, case = _ordered(tree, case)
    rulings = evaluate.judge(order, case)
    open_now = plan_record.of_places(found)
    asks = _asked(tree, absent)
    return report.Report(
        work_order=order,
        gaps=gaps,
        root=space.root.name,
        tree_digest=tree_digest,
        run_id=run_id,
        rulings=rulings,
        before={**open_now.before, **record.before},
        after=open_now.before,
        unnamed_before={**open_now.unnamed, **record.unnamed},
        unreadable=unreadable,
        unresolved=record.unresolved,
        changes=record.changes,
        findings=tuple(
            place for checks in case.detection.values() for place in rules.findings(checks)
        ),
        bugs=_bugs(stopped.values(), rulings),
        notices=(
            *register.notices,
            *waivers.unused(register, rulings),
            *(told for items in asks.values() for told in items),
        ),
        asks=asks,
    )


def _ordered(tree: Tree, case: evaluate.Case) -> tuple[WorkOrder, tuple[Gap, ...], evaluate.Case]:
    """Return the order to rule by, its gaps, and what is known in the order's own terms."""
    own = order_files.own(tree)
    if own is None:
        brought = tuple(item for gap in GAPS for item in gap.brings)
        return replace(WO_004, criteria=(*WO_004.criteria, *brought)), GAPS, case
    binding.assert_ties(own, GAPS)
    return own, binding.gaps_of(own, GAPS), binding.bound(own, case, GAPS)


def _asked(tree: Tree, absent: subjects.Absent) -> dict[str, tuple[str, ...]]:
    """Return what each gap that applies has to be told in closeout.toml, by its slug."""
    applying = (gap for gap in GAPS if not absent.keys() >= set(gap.criteria))
    return {gap.slug: tuple(gap.asks(tree)) for gap in applying}


def _bugs(stopped: Iterable[Sequence[Unresolved]], rulings: Sequence[Ruling]) -> tuple[str, ...]:
    """Return the failures of ours among what stops gaps and what probes ran into."""
    of_gaps = (item.detail for items in stopped for item in items if item.reason is Reason.OURS)
    of_probes = (item.bug for ruling in rulings for item in ruling.evidence if item.bug)
    return tuple(dict.fromkeys((*of_gaps, *of_probes)))


def static_evidence(
    space: Workspace, tree: Tree, before: rules.Detection, found: rules.Detection
) -> tuple[Evidence, ...]:
    """Return what the detectors found; an earlier run's answer from before the fix is kept."""
    tree_digest = digest(tree)
    made = detector_evidence.static_evidence(
        {**found, **before}, found, tree_digest, datetime.now(UTC)
    )
    earlier: Mapping[tuple[str, str], bool] = {
        (item.probe, item.criterion): item.before
        for item in evidence_store.about(space.reports, space.root, tree_digest)
        if item.before is not None
    }
    return tuple(
        replace(item, before=earlier.get((item.probe, item.criterion), item.before))
        for item in made
    )


def remembered(space: Workspace, tree: Tree) -> Record:
    """Return what the runs that still stand wrote, merged, the newest one's refusals last.

    What stopped a gap's fix in such a run no longer counts once the gap has no open place.
    """
    kept = plan_record.merged(standing(space))
    stopped = [gap for gap in GAPS if rules.stops((), kept.unresolved.get(gap.slug, ()))]
    seen = planner.detect(stopped, tree)
    settled = {slug for slug, checks in seen.items() if not rules.findings(checks)}
    left = {slug: items for slug, items in kept.unresolved.items() if slug not in settled}
    return replace(kept, unresolved=left)


def standing(space: Workspace) -> list[Record]:
    """Return the plans of the runs that wrote to the tree and were not undone, oldest first."""
    runs = store.undoable(space.reports, space.root)
    return [plan_record.read(run.folder) for run in reversed(runs)]


def conclude(
    space: Workspace, run: store.Run, made: report.Report, gaps: Sequence[Gap] = GAPS
) -> ExitCode:
    """Write the run's bundle and print its report; returns the code of the gaps asked for."""
    progress.step("writing the report")
    bundle.build(space, run, made)
    tell(space, run, made, gaps)
    return made.exit_code_of(gaps)


def tell(space: Workspace, run: store.Run, made: report.Report, gaps: Sequence[Gap]) -> None:
    """Print a report that has been written, and how it stands in one line."""
    say(terminal.to_terminal(made, gaps, space.told_root, whole=detail() is Detail.VERBOSE))
    say(f"\nreport: {space.shown_reports}/{run.id}/report.html, report.md, report.json")
    sum_up("\n".join(wrapped("", terminal.summary(made, gaps))))
    give("run", {"id": run.id, "folder": str(run.folder)})
    give("report", report.to_json(made))
