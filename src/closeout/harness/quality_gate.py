"""Judge what a test runner left behind: nothing it did not measure, count or assert is believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from closeout import process
from closeout.model import Measure, Observation
from closeout.parsing.test_files import Suite

Rows = tuple[tuple[str, str, Observation], ...]
"""Probe id, criterion id and what was seen."""

DEADLINE = 300.0
"""Seconds a suite may take."""


class Ending(Enum):
    """How a test ended; only PASSED counts."""

    PASSED = "passed"
    FAILED = "failed"
    IDLE = "skipped or expected to fail"
    REPEATED = "passed only when it was repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One test that the runner reports; `file` is relative to the service."""

    file: str
    name: str
    outcome: Ending
    asserted: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One source file's figures; what a configuration excludes counts as not covered."""

    statements: int
    covered_statements: int
    branches: int
    covered_branches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """Percentages that coverage has to exceed."""

    statements: float
    branches: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """How many tests a file has to hold; `module` is what it tests and must not replace."""

    probe: str
    criterion: str
    file: str
    module: str
    tests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one suite is held to."""

    slug: str
    minimums: tuple[Minimum, ...]
    floors: Floors
    coverage_criterion: str
    passing_criterion: str

    @property
    def criteria(self) -> tuple[str, ...]:
        """Return every criterion that the suite speaks for."""
        counted = (item.criterion for item in self.minimums)
        return (*counted, self.coverage_criterion, self.passing_criterion)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """What a run left behind, beside what stands on the disk."""

    command: str
    ran: Sequence[Ran]
    measured: Mapping[str, Measured]
    sources: Sequence[str]
    """Every source file that has to be measured, relative to the service."""
    suites: Mapping[str, Suite]
    """Every test file on the disk, as it reads."""
    excuse: str = ""
    """Why tests were skipped, where this machine is to blame: such a row is not run, not failed."""
    note: str = ""
    """What the run changed so that it could not be fooled."""


def judge_run(demand: Demand, report: SuiteReport, result: process.Result) -> Rows:
    """Judge what a run left behind, and how the runner itself ended."""
    if result.code is None:
        return unproven(demand, f"the suite did not end within {DEADLINE:g} s", report.command)
    if not report.ran and not report.measured and report.suites:
        # The runner itself broke: its own words tell more than "no test was collected".
        lines = [line.strip() for line in (result.err or result.out).splitlines() if line.strip()]
        return judge(demand, replace(report, note=" ".join(lines[:2])[:300]))
    return judge(demand, report)


def judge(demand: Demand, report: SuiteReport) -> Rows:
    """Return one row a file's minimum, one for coverage and one for the suite as a whole."""
    rows = [(item.probe, item.criterion, _judge_minimum(item, report)) for item in demand.minimums]
    covered = _judge_coverage(demand.floors, report)
    passing = _judge_passing(report)
    return (
        *rows,
        (f"{demand.slug}.coverage", demand.coverage_criterion, covered),
        (f"{demand.slug}.all-pass", demand.passing_criterion, passing),
    )


def unproven(demand: Demand, reason: str, command: str) -> Rows:
    """Return the same rows where the suite could not run at all."""
    ids = [(item.probe, item.criterion) for item in demand.minimums]
    ids.append((f"{demand.slug}.coverage", demand.coverage_criterion))
    ids.append((f"{demand.slug}.all-pass", demand.passing_criterion))
    seen = Observation(passed=None, expected="the suite runs", observed=reason, command=command)
    return tuple((probe, criterion, seen) for probe, criterion in ids)


def _judge_minimum(minimum: Minimum, report: SuiteReport) -> Observation:
    mine = [item for item in report.ran if item.file.rpartition("/")[2] == minimum.file]
    suites = [
        suite for path, suite in report.suites.items() if path.rpartition("/")[2] == minimum.file
    ]
    counts = {outcome: sum(item.outcome is outcome for item in mine) for outcome in Ending}
    empty = sum(item.outcome is Ending.PASSED and not item.asserted for item in mine)
    empty = max(empty, sum(len(suite.hollow) for suite in suites))
    counted = max(0, counts[Ending.PASSED] - empty)
    replaced = [name for suite in suites for name in suite.mocked if _names(name, minimum.module)]
    told = [f"{counted} pass and assert"]
    told += [
        f"{count} {outcome.value}"
        for outcome, count in counts.items()
        if count and outcome is not Ending.PASSED
    ]
    told += [f"{empty} assert nothing"] if empty else []
    told += [f"it replaces {', '.join(replaced)}, which it should test"] if replaced else []
    told = told if mine or suites else [f"there is no {minimum.file}"]
    return Observation(
        passed=counted >= minimum.tests and not replaced,
        expected=f"at least {minimum.tests} tests in {minimum.file} that pass and assert",
        observed="; ".join(told),
        command=report.command,
    )


def _judge_coverage(floors: Floors, report: SuiteReport) -> Observation:
    missing = sorted(set(report.sources) - set(report.measured))
    figures = [report.measured[path] for path in report.sources if path in report.measured]
    statements = sum(item.statements for item in figures)
    covered = sum(item.covered_statements for item in figures)
    branches = sum(item.branches for item in figures)
    taken = sum(item.covered_branches for item in figures)
    # Compared as whole numbers: a percentage rounded for people once passed 87.5 as 88.
    high = covered * 100 > floors.statements * statements
    wide = branches == 0 or taken * 100 > floors.branches * branches
    told = [
        f"statements {_share(covered, statements)}",
        f"branches {_share(taken, branches)}",
        f"{len(figures)} of {len(report.sources)} files measured",
        *([f"not measured: {', '.join(missing)}"] if missing else []),
        *([report.note] if report.note else []),
    ]
    good = high and wide and not missing
    excused = not good and not missing and bool(report.excuse)
    return Observation(
        passed=None if excused else good,
        expected=(
            f"statements above {floors.statements:g} % and branches above {floors.branches:g} %, "
            "with every source file measured"
        ),
        observed="; ".join([*told, *([report.excuse] if excused else [])]),
        command=report.command,
        measures=(
            *_measured("statements", covered, statements, floors.statements),
            *_measured("branches", taken, branches, floors.branches),
        ),
    )


def _judge_passing(report: SuiteReport) -> Observation:
    idle = sum(item.outcome is Ending.IDLE for item in report.ran)
    problems = list(_problems(report))
    if idle and not report.excuse:
        problems.append(f"{idle} {Ending.IDLE.value}")
    excused = not problems and idle > 0
    told = problems or [report.excuse] if excused or problems else []
    passed = sum(item.outcome is Ending.PASSED for item in report.ran)
    told = [*told, *(f"{path} is a script, no test" for path in _scripts(report))]
    return Observation(
        passed=None if excused else not problems,
        expected="every test is collected, runs, asserts and passes, and there is one",
        observed="; ".join([f"{passed} of {len(report.ran)} passed", *told]),
        command=report.command,
    )


def _problems(report: SuiteReport) -> Iterable[str]:
    if not report.ran:
        yield "no test was collected"
    failed = [item for item in report.ran if item.outcome is Ending.FAILED]
    if failed:
        detail = f": {failed[0].detail}" if failed[0].detail else ""
        yield f"{len(failed)} failed, the first {failed[0].file} {failed[0].name!r}{detail}"
    repeated = sum(item.outcome is Ending.REPEATED for item in report.ran)
    if repeated:
        yield f"{repeated} {Ending.REPEATED.value}"
    seen = {item.file for item in report.ran}
    scripts = _scripts(report)
    suites = {path: suite for path, suite in report.suites.items() if path not in scripts}
    hidden = sorted(path for path, suite in suites.items() if _lost(path, suite, seen))
    if hidden:
        yield f"not collected: {', '.join(hidden)}"
    for path, suite in sorted(suites.items()):
        for case in suite.hollow:
            yield f"{path}:{case.line} asserts nothing"
        for line in suite.unawaited:
            yield f"{path}:{line} expects a promise that nobody awaits"


def _scripts(report: SuiteReport) -> list[str]:
    """Return what is named like a test file, starts itself, and that no runner collected."""
    seen = {item.file for item in report.ran}
    return sorted(
        path for path, suite in report.suites.items() if suite.is_script and path not in seen
    )


def _lost(path: str, suite: Suite, seen: set[str]) -> bool:
    return path not in seen and bool(suite.cases or suite.error_line)


def _names(mocked: str, module: str) -> bool:
    return mocked.removesuffix(".ts").endswith(module) or f"{module}." in f"{mocked}."


def _measured(name: str, part: int, whole: int, floor: float) -> tuple[Measure, ...]:
    if not whole:
        return ()
    return (Measure(name=name, value=round(100 * part / whole, 2), unit="%", floor=floor),)


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} ({100 * part / whole:.2f} %)" if whole else "0/0"
