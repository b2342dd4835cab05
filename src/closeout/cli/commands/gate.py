"""The judging sessions that Nox starts: run, record evidence, say how it stands."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from closeout.console import failures, progress
from closeout.console.output import add, give, say
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import writer
from closeout.fs.tree import DiskTree, digest
from closeout.gaps.sql.probing import dbt
from closeout.harness import cluster, coverage, environments, mutation_score, offline, quality_gate
from closeout.model import Means, Observation, Probe, ProbeContext, ProofKind
from closeout.model.verdicts import Evidence
from closeout.runs import evidence_store, store
from closeout.runs.workspace import Workspace

Rows = Iterable[tuple[str, str, Observation]]
"""Probe id, criterion id and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One probe's answer on the tree as it is, and whether it passed before the fix."""

    probe: str
    criterion: str
    seen: Observation
    before: bool | None
    seconds: float


class Gate(NamedTuple):
    """What a session asks of a tree: its name, its means, and the criteria that it speaks for."""

    session: str
    means: Means
    criteria: tuple[str, ...]
    run: Callable[[Path, Path], Rows]


def billing_gate(space: Workspace) -> ExitCode:
    """Run the billing suite before and after the fix, on copies, and judge its files."""

    def run(root: Path, scratch: Path) -> Rows:
        with offline.database(scratch / "postgres", space.cache) as dsn:
            return coverage.run_billing(root, scratch, cache=space.cache, dsn=dsn)

    return _judged(space, Gate("billing_jest", Means.SUITE, quality_gate.BILLING.criteria, run))


def vision_gate(space: Workspace, python: Path) -> ExitCode:
    """Run the vision suite before and after the fix, on copies; `python` has its packages."""

    def run(root: Path, scratch: Path) -> Rows:
        return coverage.run_vision(root, scratch, python=python)

    return _judged(space, Gate("vision_pytest", Means.SUITE, quality_gate.VISION.criteria, run))


def mutation_gate(space: Workspace, python: Path) -> ExitCode:
    """Score both suites by mutation, before and after the fix; `python` has mutmut.

    What became of each change is kept beside the packages, for the next run.
    """
    kept = space.cache / "mutation"

    def run(root: Path, scratch: Path) -> Rows:
        return (
            *mutation_score.run_billing(root, scratch, cache=space.cache, kept=kept),
            *mutation_score.run_vision(root, scratch, python=python, kept=kept),
        )

    scored = tuple(
        suite.coverage_criterion for suite in (quality_gate.BILLING, quality_gate.VISION)
    )
    return _judged(space, Gate("mutation", Means.SUITE, scored, run))


def dbt_gate(space: Workspace, program: Path) -> ExitCode:
    """Compile, run and check the data pipeline on a throw-away PostgreSQL; `program` is dbt."""

    def run(root: Path, scratch: Path) -> Rows:
        return dbt.run_dbt(root, scratch, program)

    return _judged(space, Gate("dbt", Means.LIVE, dbt.CRITERIA, run))


def mqtt_gate(space: Workspace, scanner: Path) -> ExitCode:
    """Put a scanner and strict clients in front of the production broker; `scanner` is sslyze."""
    from closeout.gaps.mqtt_tls.probing import clients  # noqa: PLC0415 - one session needs it

    def run(root: Path, scratch: Path) -> Rows:
        return clients.run_gate(root, scratch, scanner)

    return _judged(space, Gate("mqtt_tls", Means.LIVE, (clients.CRITERION,), run))


def compile_models(space: Workspace) -> ExitCode:
    """Compile the data pipeline and make the checks that compiling cannot make."""
    python = environments.ensure(space.cache / "environments" / "dbt", "requirements/dbt.txt")

    def run(root: Path, scratch: Path) -> Rows:
        return dbt.compile_only(root, scratch, python.with_name("dbt"))

    return _judged(space, Gate("dbt_compile", Means.LIVE, dbt.CRITERIA, run))


def ask_one(space: Workspace, probe_id: str) -> ExitCode:
    """Put one probe that needs no service to the tree as it is, and record its answer."""
    from closeout.gaps import GAPS  # noqa: PLC0415 - other sessions start faster without

    gap = next(gap for gap in GAPS if probe_id.startswith(f"{gap.slug}."))
    return put(space, next(probe for probe in gap.probes() if probe.id == probe_id))


def put(space: Workspace, probe: Probe) -> ExitCode:
    """Put any such probe to the tree as it is, and record its answer."""

    def run(root: Path, scratch: Path) -> Rows:
        return [(probe.id, probe.criterion, probe.run(ProbeContext(root=root, scratch=scratch)))]

    return _judged(space, Gate(probe.id, Means.LIVE, (probe.criterion,), run))


def ask_cluster(space: Workspace) -> ExitCode:
    """Ask the cluster that kubectl reaches, and record its answers."""
    space.announce()
    rows = [
        Row(probe=probe, criterion=criterion, seen=seen, before=None, seconds=0.0)
        for probe, criterion, seen in cluster.verify("kubectl")
    ]
    return conclude(space, "cluster", rows, Means.OPERATOR)


def judge_gates(space: Workspace) -> ExitCode:
    """Judge the evidence that the two coverage sessions left about the tree as it is."""
    space.announce()
    tree_digest = digest(DiskTree(space.root))
    seen = [
        item
        for item in evidence_store.gather(space.reports, space.root)
        if item.means is Means.SUITE and item.subject_digest == tree_digest
    ]
    _print_items(seen)
    give("judged", [evidence_store.to_json(item) for item in seen])
    return _code(seen)


def _judged(space: Workspace, gate: Gate) -> ExitCode:
    """Run a session on the tree before the fix, where there was one, and on the tree as it is."""
    space.announce()
    with scratch(gate.session) as folder:
        earlier = before_fix(space, folder / "before-tree")
        seen_before: Rows = ()
        if earlier is not None:
            progress.step(f"{gate.session} on the tree before the fix")
            seen_before = _asked(gate, earlier, folder / "before")
        progress.step(f"{gate.session} on the tree as it is")
        began = time.monotonic()
        seen_after = _asked(gate, space.root, folder / "after")
        seconds = time.monotonic() - began
    before = {probe: seen.passed for probe, _, seen in seen_before}
    failed = [
        (f"{name} before the fix", number, seen) for name, number, seen in seen_before if seen.bug
    ]
    rows = [
        Row(
            probe=probe,
            criterion=criterion,
            seen=seen,
            before=before.get(probe),
            seconds=seconds,
        )
        for probe, criterion, seen in (*seen_after, *failed)
    ]
    return conclude(space, gate.session, rows, gate.means)


def _asked(gate: Gate, root: Path, folder: Path) -> tuple[tuple[str, str, Observation], ...]:
    """Return what the session says of one tree; where it fails by itself, a row a criterion."""
    folder.mkdir(mode=0o755)
    try:
        return tuple(gate.run(root, folder))
    except CloseoutError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug stays in its session
        seen = failures.of_probe(gate.session, error)
        return tuple((gate.session, criterion, seen) for criterion in gate.criteria)


def conclude(space: Workspace, session: str, rows: Sequence[Row], means: Means) -> ExitCode:
    """Write a session's rows as evidence about the workspace's tree, print them, return a code."""
    tree_digest = digest(DiskTree(space.root))
    now = datetime.now(UTC)
    items = [
        Evidence(
            probe=row.probe,
            criterion=row.criterion,
            passed=row.seen.passed,
            before=row.before,
            expected=row.seen.expected,
            observed=row.seen.observed,
            command=row.seen.command,
            subject_digest=tree_digest,
            at=now,
            seconds=row.seconds,
            means=means,
            measures=row.seen.measures,
            bug=row.seen.bug,
        )
        for row in rows
    ]
    run = store.latest(space.reports, space.root)
    place = evidence_store.write(run.evidence, session, items)
    _print_items(items)
    kinds = evidence_store.kinds(items)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    say(f"{session}: {told}; evidence: {run.id}/evidence/{place.name}")
    add(
        "sessions",
        {
            "session": session,
            "run": run.id,
            "file": f"{run.id}/evidence/{place.name}",
            "kinds": kinds,
            "evidence": [evidence_store.to_json(item) for item in items],
        },
    )
    return _code(items)


def _code(items: Sequence[Evidence]) -> ExitCode:
    if any(item.bug for item in items):
        return ExitCode.OWN_BUG
    if any(item.passed is False for item in items):
        return ExitCode.GAPS_LEFT
    if not items or any(item.passed is None for item in items):
        return ExitCode.UNPROVEN
    return ExitCode.SETTLED


def _print_items(items: Sequence[Evidence]) -> None:
    for item in items:
        say(f"{item.kind.value:<10} {item.criterion:<5} {item.probe}")
        if item.kind in {ProofKind.REGRESSION, ProofKind.OPEN}:
            say(f"           expected {item.expected}\n           saw {item.observed}")
    for cause in evidence_store.causes(items):
        say(str(cause))


def before_fix(space: Workspace, folder: Path) -> Path | None:
    """Return a copy of the tree as it was before the runs that still stand; None without one."""
    standing = store.undoable(space.reports, space.root)
    if not standing:
        return None
    writer.copy_tree(DiskTree(space.root), folder)
    for run in standing:
        writer.undo(run.journal, folder)
    return folder


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Yield a folder for the block that other users may enter, as a database server must."""
    with tempfile.TemporaryDirectory(prefix=f"closeout-{name}-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
