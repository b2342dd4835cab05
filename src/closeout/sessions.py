"""The judging sessions that Nox starts: run, record evidence, say how it stands."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from closeout import battery, environments, evidence, runs, writer
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from closeout.model import Means, Observation, ProofKind
from closeout.probes import coverage, dbt, postgres
from closeout.rulings import Evidence
from closeout.tree import DiskTree, digest
from closeout.workspace import Workspace

Rows = Iterable[tuple[str, str, Observation]]
"""Probe id, criterion id and what was seen."""


def live_probes(space: Workspace, python: Path, only: str = "") -> ExitCode:
    """Boot the services before and after the fix, run every probe and record the answers.

    `python` runs the FastAPI services. `only` keeps the probes whose id starts with it.
    """
    print(space.title)
    probes = tuple(probe for gap in GAPS for probe in gap.probes if probe.id.startswith(only))
    with tempfile.TemporaryDirectory(prefix="closeout-live-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        outcomes = battery.run_battery(
            _before(space, scratch / "before-tree"),
            space.root,
            scratch,
            python=python,
            probes=probes,
            cache=space.cache,
        )
    tree_digest = digest(DiskTree(space.root))
    now = datetime.now(UTC)
    items = [
        Evidence(
            probe=outcome.probe.id,
            criterion=outcome.probe.criterion,
            passed=outcome.after.passed,
            before=outcome.before.passed if outcome.before else None,
            expected=outcome.after.expected,
            observed=outcome.after.observed,
            command=outcome.after.command,
            subject_digest=tree_digest,
            at=now,
            seconds=outcome.seconds,
            means=Means.LIVE,
        )
        for outcome in outcomes
    ]
    return _conclude(space, "live_probes", items)


def billing_gate(space: Workspace) -> ExitCode:
    """Run the billing suite on a copy of the tree and judge its files."""
    print(space.title)
    with _scratch("billing") as scratch, _database(scratch) as dsn:
        began = time.monotonic()
        rows = coverage.run_billing(space.root, scratch, cache=space.cache, dsn=dsn)
        return record(space, "billing_jest", rows, Means.SUITE, time.monotonic() - began)


def vision_gate(space: Workspace, python: Path) -> ExitCode:
    """Run the vision suite on a copy of the tree and judge its files; `python` has its packages."""
    print(space.title)
    with _scratch("vision") as scratch:
        began = time.monotonic()
        rows = coverage.run_vision(space.root, scratch, python=python)
        return record(space, "vision_pytest", rows, Means.SUITE, time.monotonic() - began)


def dbt_gate(space: Workspace, program: Path) -> ExitCode:
    """Compile, run and check the data pipeline on a throw-away PostgreSQL; `program` is dbt."""
    print(space.title)
    with _scratch("dbt") as scratch:
        began = time.monotonic()
        rows = dbt.run_dbt(space.root, scratch, program)
        return record(space, "dbt", rows, Means.LIVE, time.monotonic() - began)


def compile_models(space: Workspace) -> ExitCode:
    """Compile the data pipeline and make the checks that compiling cannot make."""
    print(space.title)
    python = environments.ensure(space.cache / "environments" / "dbt", "requirements/dbt.txt")
    with _scratch("dbt") as scratch:
        began = time.monotonic()
        rows = dbt.compile_only(space.root, scratch, python.with_name("dbt"))
        return record(space, "dbt_compile", rows, Means.LIVE, time.monotonic() - began)


def judge_gates(space: Workspace) -> ExitCode:
    """Judge the evidence that the two coverage sessions left about the tree as it is."""
    print(space.title)
    tree_digest = digest(DiskTree(space.root))
    seen = [
        item
        for item in evidence.gather(space.reports, space.root)
        if item.means is Means.SUITE and item.subject_digest == tree_digest
    ]
    _print_items(seen)
    return _code(seen)


def record(space: Workspace, session: str, rows: Rows, means: Means, seconds: float) -> ExitCode:
    """Write a session's rows as evidence about the workspace's tree, print them, return a code."""
    tree_digest = digest(DiskTree(space.root))
    now = datetime.now(UTC)
    items = [
        Evidence(
            probe=probe,
            criterion=criterion,
            passed=seen.passed,
            before=None,
            expected=seen.expected,
            observed=seen.observed,
            command=seen.command,
            subject_digest=tree_digest,
            at=now,
            seconds=seconds,
            means=means,
        )
        for probe, criterion, seen in rows
    ]
    return _conclude(space, session, items)


def _conclude(space: Workspace, session: str, items: Sequence[Evidence]) -> ExitCode:
    run = runs.latest(space.reports, space.root)
    place = evidence.write(run.evidence, session, items)
    _print_items(items)
    told = ", ".join(f"{count} {kind}" for kind, count in evidence.kinds(items).items())
    print(f"{session}: {told}; evidence: {run.id}/evidence/{place.name}")
    return _code(items)


def _code(items: Sequence[Evidence]) -> ExitCode:
    if any(item.passed is False for item in items):
        return ExitCode.GAPS_LEFT
    if not items or any(item.passed is None for item in items):
        return ExitCode.UNPROVEN
    return ExitCode.SETTLED


def _print_items(items: Sequence[Evidence]) -> None:
    for item in items:
        print(f"{item.kind.value:<10} {item.criterion:<5} {item.probe}")
        if item.kind not in {ProofKind.PROOF, ProofKind.GUARD, ProofKind.OBSERVED}:
            print(f"           expected {item.expected}\n           saw {item.observed}")


def _before(space: Workspace, folder: Path) -> Path | None:
    """Return a copy of the tree as it was before the runs that still stand; None without one."""
    standing = runs.undoable(space.reports, space.root)
    if not standing:
        return None
    writer.copy_tree(DiskTree(space.root), folder)
    for run in standing:
        writer.undo(run.journal, folder)
    return folder


@contextmanager
def _scratch(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"closeout-{name}-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def _database(scratch: Path) -> Iterator[str | None]:
    """Yield the address of a throw-away PostgreSQL, None where no server can be had."""
    if postgres.binaries() is None:
        yield None
        return
    with postgres.server(scratch / "postgres") as server:
        yield server.dsn("postgres")
