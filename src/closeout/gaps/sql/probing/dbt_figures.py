"""Compare the model with the figures that its source rows give, computed independently."""

from __future__ import annotations

from closeout.gaps.sql.probing import cohort, dbt_answers, dbt_sources
from closeout.gaps.sql.probing.dbt_answers import MODEL, Probe, Row, Rows, seen_as
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.gaps.sql.probing.dbt_sources import Supplied
from closeout.harness import databases

_SUMMARY = "fact_farm_summary"

VALUES = ("sql.cohort-values", "3.3", f"{MODEL} equals the figures computed from the source rows")
_FARMS = ("sql.farm-summary-values", "3.3", f"{_SUMMARY} keeps fractions and stores a time")
TIMES = (
    "sql.cohort-values-on-timestamps",
    "3.3",
    f"{MODEL} gives the same figures where the dates are timestamps",
)


def values(pipeline: Pipeline, sources: Supplied) -> Row:
    """Compare the model as it was built last; None where there are no records to compare with."""
    command = f"TABLE {MODEL}, against the source rows"
    expected, trouble = _expected(pipeline, sources)
    if trouble:
        told = f"there are no daily records to compute the figures from: {trouble}"
        return seen_as(VALUES, passed=None, observed=told, command=command)
    return _cohorts(pipeline, expected, VALUES, command)


def _expected(pipeline: Pipeline, sources: Supplied) -> tuple[tuple[cohort.Cohort, ...], str]:
    """Return the figures that the records give, or why there are none."""
    try:
        return cohort.cohorts(*_records(pipeline, sources)), ""
    except (FileNotFoundError, KeyError, ValueError) as error:
        return (), f"{error!r:.120}"


def _records(
    pipeline: Pipeline, sources: Supplied
) -> tuple[tuple[cohort.Row, ...], tuple[cohort.Row, ...], str]:
    """Return the batches, their daily records and the date's column: of seeds, else as made here.

    Raises FileNotFoundError where there are neither.
    """
    made = dbt_sources.daily(sources)
    if made is not None and made.day is not None:
        return (), made.rows, made.day
    folder = pipeline.folder / "seeds"
    names = ("batches", dbt_sources.DAILY)
    batches, daily = (cohort.rows((folder / f"{name}.csv").read_text()) for name in names)
    return batches, daily, "record_date"


def on_timestamps(
    pipeline: Pipeline, sources: Supplied, database: databases.Database | None
) -> Row:
    """Build the model again where the recorded dates are timestamps; the figures stay the same."""
    command = f"dbt run --select +{MODEL}, the records' date as timestamp"
    expected, _ = _expected(pipeline, sources)
    if not expected or database is None:
        told = "no copy of the database" if expected else "there are no daily records"
        return seen_as(TIMES, passed=None, observed=told, command=command)
    other = pipeline.on(database)
    reason = dbt_sources.with_timestamps(other, sources)
    if reason:
        return seen_as(TIMES, passed=None, observed=reason, command=command)
    ran = other.run("run", "--select", f"+{MODEL}")
    if not ran.ok:
        return seen_as(TIMES, passed=False, observed=dbt_answers.reason_of(ran), command=command)
    return _cohorts(other, expected, TIMES, command, with_totals=False)


def _cohorts(
    pipeline: Pipeline,
    expected: tuple[cohort.Cohort, ...],
    probe: Probe,
    command: str,
    *,
    with_totals: bool = True,
) -> Row:
    found = _table(pipeline, MODEL)
    if isinstance(found, str):
        return seen_as(probe, passed=False, observed=found, command=command)
    wrong = cohort.differences(expected, found, with_totals=with_totals)
    told = "; ".join(wrong) or f"all equal: {cohort.scenarios(expected)}"
    return seen_as(
        probe,
        passed=not wrong and bool(expected),
        observed=f"{told}. {cohort.explanation(expected)}",
        command=command,
    )


def farms(pipeline: Pipeline, sources: Supplied) -> Rows:
    """Compare the farm summary, where the project has one: fractions kept, a time and no text."""
    found = _table(pipeline, _SUMMARY)
    try:
        batches, daily, _ = _records(pipeline, sources)
        expected = cohort.daily_mortality(batches, daily) if batches else {}
    except (FileNotFoundError, KeyError, ValueError):
        return ()
    if isinstance(found, str) or not expected:
        return ()
    wrong = cohort.farm_differences(expected, found)
    observed = "; ".join(wrong) or f"{len(expected)} farms equal"
    return (seen_as(_FARMS, passed=not wrong, observed=observed, command=f"TABLE {_SUMMARY}"),)


def _table(pipeline: Pipeline, model: str) -> tuple[cohort.Row, ...] | str:
    relation = pipeline.relation(model)
    return f"there is no model {model}" if relation is None else pipeline.rows(f"TABLE {relation}")
