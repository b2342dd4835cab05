"""What a pipeline gets that lacks packages and seeds: kinds of columns, rows, and doubts."""

from __future__ import annotations

from datetime import date
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import pytest

from closeout import process
from closeout.fs.tree import MemoryTree
from closeout.gaps.sql import packages
from closeout.gaps.sql.probing import column_use, dbt_answers, source_rows
from closeout.gaps.sql.probing.dbt_project import NodeResult, Pipeline
from closeout.gaps.sql.probing.dbt_sources import Supplied
from closeout.gaps.sql.probing.source_rows import Column
from closeout.gaps.sql.project import projects
from closeout.model import Observation

_STAGING = """with source as (select * from {{ source('farm', 'sheds') }}),
renamed as (
    select shed_code as code, opened_at, is_warm, birds, feed_kg, note, lower(breed) as breed
    from source where closed_at is null and birds > 0
)
select * from renamed"""


def _uses(**models: str) -> column_use.Uses:
    files = {f"p/models/{name}.sql": text.encode() for name, text in models.items()}
    tree = MemoryTree({"p/dbt_project.yml": b"name: p\n", **files})
    (project,) = projects(tree)
    return column_use.uses(tree, project)


def test_columns_are_followed_through_stars_to_their_source() -> None:
    """What a later query reads of a star belongs to the table; what it renames does not."""
    seen = _uses(stg=_STAGING, mart="select code, sum(feed_kg) as fed from {{ ref('stg') }}")
    place = ("farm", "sheds")
    assert set(seen.columns[place]) == {
        *("shed_code", "opened_at", "is_warm", "birds", "feed_kg", "note", "breed", "closed_at")
    }
    assert place in seen.open
    kinds = {name: seen.kind(name) for name in seen.columns[place]}
    assert kinds == {
        **dict.fromkeys(("shed_code", "note", "breed"), "text"),
        **dict.fromkeys(("opened_at", "closed_at"), "timestamp"),
        **dict.fromkeys(("birds", "feed_kg"), "numeric"),
        "is_warm": "boolean",
    }
    assert (seen.absent, seen.wanted) == ({"closed_at"}, {"birds"})


def test_a_filter_of_a_count_asks_for_no_row() -> None:
    """`FILTER (WHERE x IS NULL)` counts such rows; it drops none."""
    seen = _uses(stg="select count(*) filter (where note is null) as n from {{ source('a', 'b') }}")
    assert seen.columns == {("a", "b"): ["note"]}
    assert seen.absent == set()


def test_columns_in_a_macro_s_arguments_are_in_use() -> None:
    """A macro is given SQL as text; units of time are no columns."""
    seen = _uses(
        stg="select {{ dbt.datediff('min(begun)', 'max(done)', 'day') }} as days"
        " from {{ source('a', 'b') }}"
    )
    assert seen.columns[("a", "b")] == ["begun", "done"]


def test_a_model_that_cannot_be_read_is_told() -> None:
    """Its columns are missing, and nobody may rely on the tables."""
    assert _uses(stg="select 1 +").unread == ["stg.sql"]


def test_rows_share_their_keys_and_keep_what_tests_and_models_ask() -> None:
    """Every table has the same owners and days; NULL stands only where nobody refuses it."""
    columns = (
        Column(name="id", kind="integer", is_unique=True),
        Column(name="farm_id", kind="text"),
        Column(name="batch_id", kind="text"),
        Column(name="day", kind="date"),
        Column(name="deaths", kind="integer"),
        Column(name="stock", kind="integer", is_filled=True),
        Column(name="gone_at", kind="timestamp", is_absent=True),
        Column(name="kind", kind="text", values=("hen", "cock")),
    )
    made = list(source_rows.rows(columns, date(2025, 3, 6)))
    assert len({row["id"] for row in made}) == len(made) == sum(source_rows.DAYS)
    assert len({(row["batch_id"], row["day"]) for row in made}) == len(made)
    assert {row["farm_id"] for row in made} == {"farm-1", "farm-2"}
    assert {row["gone_at"] for row in made} == {""}
    assert {row["kind"] for row in made} == {"hen", "cock"}
    assert "" in {row["deaths"] for row in made}
    assert all(int(row["stock"]) > 0 for row in made)


def test_a_macro_that_a_version_lost_is_no_matter_of_fetching() -> None:
    """From 1.0 on dbt_utils lacks what dbt has itself; before, and of others, nobody knows."""
    files = {"p/dbt_project.yml": b"name: p\n"}
    for version, lost in (("1.1.1", True), ("0.9.2", False)):
        listed = f"packages:\n  - package: dbt-labs/dbt_utils\n    version: {version}\n"
        (project,) = projects(MemoryTree({**files, "p/packages.yml": listed.encode()}))
        held = project.packages
        assert packages.is_lost(held, "dbt_utils", "current_timestamp") is lost
        assert packages.is_lost(held, "dbt_utils", "star") is False
        assert packages.is_lost(held, "other", "star") is False


class _Pipeline(SimpleNamespace):
    """Answers for dbt: the results of the last command, and a database with one function."""

    def lineage(self, _: str) -> frozenset[str]:
        return frozenset({_FACT, "model.p.stg", "test.p.filled_stg.1"})

    def rows(self, query: str) -> tuple[dict[str, str], ...]:
        return ({"found": "1"},) if "'lower'" in query else ()


def _answer(*results: NodeResult, **sources: Any) -> Observation:  # noqa: ANN401 - fields of Supplied
    code = int(any(item.status != "success" for item in results))
    ran = process.Result(argv=("dbt",), code=code, out="", err="", seconds=1.0)
    pipeline = cast("Pipeline", _Pipeline(results=lambda: results, run=lambda *_: ran))
    probe = ("sql.dbt-build", "3.3", "it builds")
    return dbt_answers.answer(pipeline, Supplied(**sources), probe, "build")[2]


_FACT = f"model.p.{dbt_answers.MODEL}"
_MADE = NodeResult(node=_FACT, status="success", message="")


def test_another_model_s_failure_is_told_and_no_failure_of_this_one() -> None:
    """Only what the model builds on can make it wrong."""
    other = NodeResult(node="model.p.other", status="error", message="each UNION query\nmust have")
    found = _answer(_MADE, other)
    assert found.passed is True
    assert "Beside it fails what it does not build on: other: each UNION query must" in (
        found.observed
    )


def test_a_failed_data_test_of_what_it_builds_on_is_a_failure() -> None:
    """With rows of the project's own; on rows of our making it tells nothing."""
    failed = NodeResult(node="test.p.filled_stg.1", status="fail", message="Got 2 results")
    assert _answer(_MADE, failed).passed is False
    assert _answer(_MADE, failed, tables=[cast("Any", "a table")]).passed is None


@pytest.mark.parametrize(
    ("message", "sources", "passed"),
    [
        ("syntax error at or near as", {"guessed": True, "open": True}, False),
        ("function datediff(unknown, date, date) does not exist", {"guessed": True}, False),
        ("function lower(integer) does not exist", {"guessed": True}, None),
        ("function lower(integer) does not exist", {}, False),
        ("operator does not exist: text > integer", {"guessed": True}, None),
        ("operator does not exist: text > integer", {}, False),
        ("column weight_gain does not exist", {"guessed": True}, False),
        ("column weight_gain does not exist", {"open": True}, None),
        ('relation "raw.kpi" does not exist', {"failed": ["raw.kpi"]}, None),
        ('relation "raw.kpi" does not exist', {}, False),
        ("no stand-in for dbt_utils.pivot", {}, None),
    ],
)
def test_only_what_was_supplied_raises_a_doubt(
    message: str, sources: dict[str, Any], passed: bool | None
) -> None:
    """A guessed type cannot make a syntax error, nor a function that no database has."""
    error = NodeResult(node="model.p.stg", status="error", message=message)
    skipped = NodeResult(node=_FACT, status="skipped", message="")
    found = _answer(error, skipped, **sources)
    assert found.passed is passed
    assert message in found.observed


def test_a_local_package_stays_inside_the_project() -> None:
    """A folder that leads out of the tree is taken as one below it."""
    tree = MemoryTree({"p/packages.yml": b"packages:\n  - local: ../../outside\n"})
    assert packages.local_folders(tree, PurePosixPath("p")) == (PurePosixPath("outside"),)
