"""What a server holds that is not in one database: its room for locks, databases half gone, names.

Of this kind is what pg_dump and pg_dumpall bear, so that a backup beside them has to bear it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres
from tests.support.backups import do, restore

pytestmark = [pytest.mark.live]

PARTITIONS = 125


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """Provide a server with little room for locks, so that few partitions are many."""
    settings = {"max_locks_per_transaction": "10", "max_connections": "20", "wal_level": "logical"}
    with drill.workplace() as place, postgres.server(place, settings=settings) as running:
        yield running


@pytest.fixture
def bench(server: postgres.Server, tmp_path: Path) -> ScriptBench:
    """Provide an empty backup folder, and the scripts to fill it."""
    return ScriptBench(
        server=server, scripts=drill.SCRIPTS, folder=tmp_path / "backups", scratch=tmp_path
    )


def test_many_partitions_need_no_lock_an_index(bench: ScriptBench) -> None:
    """Each table's indexes are let go once it is summed up; else the server ran out of memory."""
    do(bench.server, "CREATE DATABASE parted")
    try:
        drill.ask(
            bench.server,
            "parted",
            "CREATE TABLE log (n int PRIMARY KEY, a int, b int, c int) PARTITION BY RANGE (n);"
            " CREATE INDEX ON log (a); CREATE INDEX ON log (b); CREATE INDEX ON log (c)",
        )
        names = [
            f"log_{n} PARTITION OF log FOR VALUES FROM ({n}) TO ({n + 1})"
            for n in range(PARTITIONS)
        ]
        for first in range(0, PARTITIONS, 25):
            tables = "; ".join(f"CREATE TABLE {name}" for name in names[first : first + 25])
            drill.ask(bench.server, "parted", tables)
        run = bench.back_up({"BACKUP_DATABASES": "parted"})
        assert run.ok, run.message
        back = restore(bench, "--newest", "parted", "--into", "again")
        assert back.ok, back.message
        assert back.events[-1]["tables_equal"] == PARTITIONS
    finally:
        do(bench.server, "DROP DATABASE parted", "DROP DATABASE IF EXISTS again")


def test_warning_of_a_tool_reaches_the_operator(bench: ScriptBench) -> None:
    """The documented role cannot dump subscriptions: pg_dump says so, and so does the backup."""
    do(
        bench.server,
        "CREATE DATABASE subscribed",
        "CREATE ROLE backup LOGIN BYPASSRLS PASSWORD 'farm'",
        "GRANT pg_read_all_data TO backup",
    )
    made = "CREATE SUBSCRIPTION s CONNECTION 'port=1' PUBLICATION p WITH (connect = false)"
    gone = "ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s"
    drill.ask(bench.server, "subscribed", made)
    try:
        role = {"POSTGRES_USER": "backup", "PGPASSWORD": "farm"}
        run = bench.back_up({"BACKUP_DATABASES": "subscribed", **role})
    finally:
        drill.ask(bench.server, "subscribed", gone)
        do(bench.server, "DROP DATABASE subscribed", "DROP ROLE backup")
    assert run.ok, run.message
    assert "subscriptions not dumped" in run.message
    told = {event["database"]: event["warnings"] for event in run.events}
    assert "subscriptions not dumped" in told["subscribed"]
    assert told["@globals"] == ""


def test_database_half_dropped_is_skipped_with_a_warning(bench: ScriptBench) -> None:
    """It takes no connection ever again: as with pg_dumpall, the others are backed up."""
    do(
        bench.server,
        "CREATE DATABASE whole",
        'CREATE DATABASE "half gone"',
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half gone'",
    )
    try:
        run = bench.back_up()
    finally:
        do(bench.server, "DROP DATABASE whole", 'DROP DATABASE "half gone"')
    assert run.ok, run.message
    assert 'nobody can read them: "half gone"; they are skipped' in run.message
    assert {event["database"] for event in run.events} == {"@globals", "postgres", "whole"}
