"""Judge drifted dbt models: all of them, before and after the fix, in one run on one server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from closeout.gaps.sql.probing import cohort, dbt_project
from closeout.gaps.sql.probing.cohort import Cohort
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.gaps.sql.project import projects
from closeout.harness import databases
from closeout.model import Tree
from closeout.runs.workspace import REFERENCE
from tests.drift import Judgement, Tools
from tests.drift.cases import Outcome
from tests.drift.staging import Staged, reference

_MODEL = "models/marts/analytics/fact_batch_cohort.sql"
_SHOWN = 160


def judge(staged: Sequence[Staged], scratch: Path, tools: Tools) -> Mapping[str, Judgement]:
    """Build every model on seeded tables and compare its figures with those of the seeds."""
    if tools.dbt is None or not tools.dbt.is_file() or not databases.is_available():
        told = "not asked: --dbt names no Python with dbt, or there is no PostgreSQL"
        return {item.case.name: Judgement(passed=None, told=told) for item in staged}
    project = dbt_project.chosen(projects(reference()))
    if project is None:
        message = "the reference monorepo has no dbt project"
        raise ValueError(message)
    with databases.scratch_database(scratch) as database:
        pipeline = dbt_project.copy(REFERENCE, project.root, scratch, tools.dbt, database)
        # Not the drifted models' own place: its unfixed text would fail for all of them.
        (pipeline.folder / _MODEL).unlink()
        for number, item in enumerate(staged):
            _put(pipeline, item, f"before_{number:02d}", item.before)
            _put(pipeline, item, f"after_{number:02d}", item.after)
        pipeline.run("seed")
        ran = pipeline.run("run")
        statuses = {item.name: item.status for item in pipeline.results()}
        expected = _expected(pipeline)
        if not statuses:
            told = f"dbt runs none of them: {(ran.out + ran.err)[-_SHOWN:]}"
            return {item.case.name: Judgement(passed=False, told=told) for item in staged}
        return {
            item.case.name: _judged(
                item,
                _faults(pipeline, f"before_{number:02d}", statuses, expected),
                _faults(pipeline, f"after_{number:02d}", statuses, expected),
            )
            for number, item in enumerate(staged)
        }


def _put(pipeline: Pipeline, item: Staged, name: str, tree: Tree) -> None:
    path = item.case.service / item.case.settings.get("model", item.case.file)
    place = pipeline.folder / "models/marts/drift" / f"{name}.sql"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(tree.read(path) or b"")


def _expected(pipeline: Pipeline) -> tuple[Cohort, ...]:
    batches, daily = (
        cohort.rows((pipeline.folder / "seeds" / f"{name}.csv").read_text())
        for name in ("batches", "daily_kpi")
    )
    return cohort.cohorts(batches, daily)


def _faults(
    pipeline: Pipeline, name: str, statuses: Mapping[str, str], expected: tuple[Cohort, ...]
) -> str:
    """Return why the model is wrong, nothing where PostgreSQL builds it with the right figures."""
    if statuses.get(name) != "success":
        return f"PostgreSQL refuses it ({statuses.get(name, 'not run')})"
    relation = pipeline.relation(name)
    found = pipeline.rows(f"TABLE {relation}")
    if isinstance(found, str):
        return found
    wrong = cohort.differences(expected, found)
    return f"{len(wrong)} figures are wrong, first {wrong[0]}" if wrong else ""


def _judged(item: Staged, before: str, after: str) -> Judgement:
    if item.case.expect is Outcome.LEFT_ALONE:
        return Judgement(
            passed=not before, told=before or "dbt run: builds, figures right, as it was"
        )
    if not before:
        return Judgement(passed=False, told="dbt run: builds with the right figures before any fix")
    if item.case.expect is Outcome.REFUSED:
        return Judgement(passed=True, told=f"dbt run: {before}, as the refusal says")
    told = f"dbt run: {before} before; {after or 'builds, figures right'} after"
    return Judgement(passed=not after, told=told)
