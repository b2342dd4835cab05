"""Ask dbt and a real PostgreSQL about the data pipeline: what compiling tells, and the rest.

`dbt compile` exits 0 on text that no database accepts, so each further step asks something that
the one before cannot answer: the compiled text is parsed, planned on empty tables, built on
seeded ones, and the figures are compared with an independent computation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import sqlglot
from sqlglot.errors import SqlglotError

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs.tree import DiskTree
from closeout.gaps.sql.probing import cohort, dbt_project, dbt_sources
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.harness import databases
from closeout.model import Observation

Rows = tuple[tuple[str, str, Observation], ...]
"""Probe id, criterion id and what was seen."""

MODEL = "fact_batch_cohort"
_SUMMARY = "fact_farm_summary"
_STAMP = re.compile(r"^\d\d:\d\d:\d\d\s*")

_PARSE = ("sql.dbt-parse", "3.2", "dbt parses the project")
_COMPILE = ("sql.dbt-compile", "3.2", "dbt compiles every model")
_SYNTAX = ("sql.compiled-sql-parses", "3.2", "every compiled model parses as PostgreSQL")
_EMPTY = ("sql.dbt-run-empty", "3.3", f"PostgreSQL plans and runs {MODEL} on empty tables")
_BUILD = ("sql.dbt-build", "3.3", f"{MODEL} builds on seeded tables and all data tests pass")
_VALUES = ("sql.cohort-values", "3.3", f"{MODEL} equals the figures computed from the seeds")
_FARMS = ("sql.farm-summary-values", "3.3", f"{_SUMMARY} keeps fractions and stores a time")
_TIMES = (
    "sql.cohort-values-on-timestamps",
    "3.3",
    f"{MODEL} gives the same figures where the dates are timestamps",
)
_MANUAL = ("sql.compiles-and-runs", "M.3", "the model compiles and runs")

_BEFORE_RUNNING = (_PARSE, _COMPILE, _SYNTAX, _EMPTY)
_ALL = (*_BEFORE_RUNNING, _BUILD, _VALUES, _TIMES, _MANUAL)
CRITERIA = tuple(dict.fromkeys(criterion for _, criterion, _ in _ALL))
"""What the data pipeline speaks for."""


def run_dbt(root: Path, scratch: Path, dbt: Path) -> Rows:
    """Return what every step says of the pipeline below `root`; `dbt` is the program.

    Works on a copy in `scratch`. What cannot run is an observation that passed None.
    """

    def ask(pipeline: Pipeline) -> Rows:
        compiled = _compiled(pipeline)
        seeded = pipeline.run("seed")
        guessed = dbt_sources.create(pipeline)
        with databases.copied(pipeline.database) as other:
            empty = _doubted(_empty(pipeline), guessed)
            build = _command(pipeline, _BUILD, "build", "--exclude-resource-type", "seed")
            if not seeded.ok:
                build = _seen(_BUILD, passed=False, observed=_reason(seeded), command="dbt seed")
            build = _doubted(build, guessed)
            values = _values(pipeline)
            return (
                *(*compiled, empty, build, *values),
                _on_timestamps(pipeline, other),
                _manual((compiled[1], build)),
            )

    return _asked(root, scratch, dbt, ask, _ALL)


def compile_only(root: Path, scratch: Path, dbt: Path) -> Rows:
    """Return what compiling says, and whether PostgreSQL plans the result on empty tables."""

    def ask(pipeline: Pipeline) -> Rows:
        compiled = _compiled(pipeline)
        pipeline.run("seed")
        guessed = dbt_sources.create(pipeline)
        return (*compiled, _doubted(_empty(pipeline), guessed))

    return _asked(root, scratch, dbt, ask, _BEFORE_RUNNING)


def _asked(
    root: Path,
    scratch: Path,
    dbt: Path,
    ask: Callable[[Pipeline], Rows],
    probes: tuple[tuple[str, str, str], ...],
) -> Rows:
    """Put the questions to a copy of the pipeline; all are unproven where it cannot run."""
    tree = DiskTree(root)
    home = dbt_project.home(tree)
    if home is None:
        return _unproven(probes, "there is no dbt_project.yml in the tree")
    if not dbt.is_file():
        told = f"dbt is not installed ({dbt.name} is missing); nox -s dbt installs it"
        return _unproven(probes, told)
    if not databases.is_available():
        return _unproven(probes, "no PostgreSQL server and no wheel that carries one")
    try:
        with databases.scratch_database(scratch) as database:
            pipeline = dbt_project.copy(root, home, scratch, dbt, database)
            absent = dbt_project.absent_packages(tree, home)
            reason = dbt_project.install_packages(pipeline, absent)
            return _unproven(probes, reason) if reason else ask(pipeline)
    except CloseoutError as error:
        return _unproven(probes, error.message)


def _compiled(pipeline: Pipeline) -> Rows:
    parsed = pipeline.run("parse")
    first = _seen(_PARSE, passed=parsed.ok, observed=_told(parsed), command="dbt parse")
    compiled = pipeline.run("compile")
    second = _seen(_COMPILE, passed=compiled.ok, observed=_told(compiled), command="dbt compile")
    return (first, second, _syntax(pipeline))


def _syntax(pipeline: Pipeline) -> tuple[str, str, Observation]:
    """Parse what dbt compiled; a macro's output is judged here, as only rendering shows it."""
    command = "sqlglot over target/compiled, dialect postgres"
    models = sorted(pipeline.folder.glob("target/compiled/*/models/**/*.sql"))
    if MODEL not in {path.stem for path in models}:
        told = f"dbt compiled no {MODEL} to read"
        return _seen(_SYNTAX, passed=None, observed=told, command=command)
    troubles = []
    for path in models:
        try:
            sqlglot.parse(path.read_text(), read="postgres")
        except SqlglotError as error:
            plain = re.sub(r"\x1b\[[\d;]*m", "", str(error))
            troubles.append(f"{path.name}: {' '.join(plain.split())[:200]}")
    observed = "; ".join(troubles) or f"{len(models)} compiled files parse"
    return _seen(_SYNTAX, passed=not troubles, observed=observed, command=command)


def _empty(pipeline: Pipeline) -> tuple[str, str, Observation]:
    probe, criterion, seen = _command(pipeline, _EMPTY, "run", "--empty")
    if seen.passed is False and re.search(r"syntax error.*_dbt_limit_subq_", seen.observed):
        # dbt wraps each ref in an aliased subquery, so `ref(...) as other` cannot be planned.
        told = f"dbt's --empty cannot run a ref with an alias of its own: {seen.observed}"
        return _seen(_EMPTY, passed=None, observed=told, command=seen.command)
    return probe, criterion, seen


def _command(
    pipeline: Pipeline, probe: tuple[str, str, str], *words: str
) -> tuple[str, str, Observation]:
    """Run a command that must succeed and must have made the model."""
    ran = pipeline.run(*words)
    statuses = pipeline.statuses()
    made = [status for name, status in statuses.items() if name.endswith(f".{MODEL}")]
    passed = ran.ok and made == ["success"]
    counts = {status: list(statuses.values()).count(status) for status in statuses.values()}
    observed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    if not ran.ok:
        observed = _reason(ran)
    elif not passed:
        observed = f"{MODEL} was not built ({observed or 'no results'})"
    return _seen(probe, passed=passed, observed=observed, command=f"dbt {' '.join(words)}")


def _doubted(
    row: tuple[str, str, Observation], guessed: Sequence[str]
) -> tuple[str, str, Observation]:
    """Return the row as one that tells nothing where a guessed source may be why it failed."""
    probe, criterion, seen = row
    if seen.passed is not False or not guessed or "syntax error" in seen.observed:
        return row
    told = f"cannot tell, since {'; '.join(guessed)}: {seen.observed}"
    return probe, criterion, replace(seen, passed=None, observed=told)


def _values(pipeline: Pipeline) -> Rows:
    command = f"TABLE {MODEL}, against the seeds"
    try:
        batches, daily = _seeds(pipeline)
        expected = cohort.cohorts(batches, daily)
        farms = cohort.daily_mortality(batches, daily)
    except (FileNotFoundError, KeyError, ValueError) as error:
        told = f"the project has no seeds to compute the figures from: {error!r:.120}"
        return (_seen(_VALUES, passed=None, observed=told, command=command),)
    return (_cohorts(pipeline, expected, _VALUES, command), *_farms(pipeline, farms))


def _seeds(pipeline: Pipeline) -> tuple[tuple[cohort.Row, ...], tuple[cohort.Row, ...]]:
    folder = pipeline.folder / "seeds"
    names = ("batches", dbt_sources.DAILY)
    batches, daily = (cohort.rows((folder / f"{name}.csv").read_text()) for name in names)
    return batches, daily


def _on_timestamps(
    pipeline: Pipeline, database: databases.Database | None
) -> tuple[str, str, Observation]:
    """Build the model again where the recorded dates are timestamps; the figures stay the same."""
    command = f"dbt run --select +{MODEL}, record_date as timestamp"
    try:
        expected = cohort.cohorts(*_seeds(pipeline))
    except (FileNotFoundError, KeyError, ValueError):
        expected = ()
    if not expected or database is None:
        told = "no copy of the seeded database" if expected else "the project has no seeds"
        return _seen(_TIMES, passed=None, observed=told, command=command)
    other = pipeline.on(database)
    reason = dbt_sources.with_timestamps(other)
    if reason:
        return _seen(_TIMES, passed=None, observed=reason, command=command)
    ran = other.run("run", "--select", f"+{MODEL}")
    if not ran.ok:
        return _seen(_TIMES, passed=False, observed=_reason(ran), command=command)
    return _cohorts(other, expected, _TIMES, command)


def _cohorts(
    pipeline: Pipeline,
    expected: tuple[cohort.Cohort, ...],
    probe: tuple[str, str, str],
    command: str,
) -> tuple[str, str, Observation]:
    found = _table(pipeline, MODEL)
    if isinstance(found, str):
        return _seen(probe, passed=False, observed=found, command=command)
    wrong = cohort.differences(expected, found)
    told = "; ".join(wrong) or f"all equal: {cohort.scenarios(expected)}"
    return _seen(
        probe,
        passed=not wrong and bool(expected),
        observed=f"{told}. {cohort.explanation(expected)}",
        command=command,
    )


def _farms(pipeline: Pipeline, expected: Mapping[tuple[str, str], float]) -> Rows:
    """Compare the farm summary, where the project has one: fractions kept, a time and no text."""
    found = _table(pipeline, _SUMMARY)
    if isinstance(found, str):
        return ()
    wrong = cohort.farm_differences(expected, found)
    observed = "; ".join(wrong) or f"{len(expected)} farms equal"
    return (_seen(_FARMS, passed=not wrong, observed=observed, command=f"TABLE {_SUMMARY}"),)


def _table(pipeline: Pipeline, model: str) -> tuple[cohort.Row, ...] | str:
    relation = pipeline.relation(model)
    return f"there is no model {model}" if relation is None else pipeline.rows(f"TABLE {relation}")


def _manual(rows: Rows) -> tuple[str, str, Observation]:
    """Return the manual check: the worst of compiling and building."""
    answers = [seen.passed for _, _, seen in rows]
    passed = False if False in answers else None if None in answers else True
    told = "; ".join(f"{seen.command}: {seen.observed}" for _, _, seen in rows)
    return _seen(_MANUAL, passed=passed, observed=told, command="dbt compile && dbt build")


def _unproven(probes: tuple[tuple[str, str, str], ...], reason: str) -> Rows:
    return tuple(
        _seen(probe, passed=None, observed=reason, command="nox -s dbt") for probe in probes
    )


def _seen(
    probe: tuple[str, str, str], *, passed: bool | None, observed: str, command: str
) -> tuple[str, str, Observation]:
    name, criterion, expected = probe
    seen = Observation(passed=passed, expected=expected, observed=observed, command=command)
    return name, criterion, seen


def _told(result: process.Result) -> str:
    return f"exit {result.code}" if result.ok else f"exit {result.code}: {_reason(result)}"


def _reason(result: process.Result) -> str:
    """Return the first error that dbt printed, in one line."""
    if result.code is None:
        return f"ended after {dbt_project.DEADLINE:.0f} s"
    lines = [_STAMP.sub("", line).strip() for line in (result.out + result.err).splitlines()]
    lines = [line for line in lines if line.strip("^ ")]
    marks = ("Database Error", "Compilation Error", "Parsing Error", "Runtime Error", "Encountered")
    at = next((number for number, line in enumerate(lines) if line.startswith(marks)), -3)
    return " | ".join(lines[at:][:4])[:400] or "no output"
