"""What a server holds that is not in one database: its room for locks, databases half gone, names.

Of this kind is what pg_dump and pg_dumpall bear, so that a backup beside them has to bear it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres
from tests.support.backups import do, restore, with_program

pytestmark = [pytest.mark.live]

PARTITIONS = 125
BEYOND_TWO_WORKERS = 400
"""One pg_dump finds room for the locks of so many tables there, two workers of it do not."""


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


@pytest.mark.parametrize("count", [PARTITIONS, BEYOND_TWO_WORKERS])
def test_many_partitions_need_no_more_room_for_locks_than_a_dump(
    bench: ScriptBench, count: int
) -> None:
    """Each table's indexes are let go once it is summed up; one worker dumps where two cannot."""
    do(bench.server, "CREATE DATABASE parted")
    try:
        drill.ask(
            bench.server,
            "parted",
            "CREATE TABLE log (n int PRIMARY KEY, a int, b int, c int) PARTITION BY RANGE (n);"
            " CREATE INDEX ON log (a); CREATE INDEX ON log (b); CREATE INDEX ON log (c)",
        )
        names = [
            f"log_{n} PARTITION OF log FOR VALUES FROM ({n}) TO ({n + 1})" for n in range(count)
        ]
        for first in range(0, count, 25):
            tables = "; ".join(f"CREATE TABLE {name}" for name in names[first : first + 25])
            drill.ask(bench.server, "parted", tables)
        run = bench.back_up({"BACKUP_DATABASES": "parted"})
        assert run.ok, run.message
        back = restore(bench, "--newest", "parted", "--into", "again")
        assert back.ok, back.message
        assert ("no room for the locks" in run.message) is (count > PARTITIONS)
        assert back.events[-1]["tables_equal"] == count
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


@pytest.mark.parametrize("name", ["ฟาร์มไก่ไข่", "x" + "ø" * 20, "a" * 31 + "é", "plain"])
def test_name_that_is_kept_aside_is_cut_at_a_character(bench: ScriptBench, name: str) -> None:
    """A name of many bytes is cut so that it stays one; a server refuses half a character."""
    do(bench.server, f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
    kept = ""
    try:
        drill.ask(bench.server, name, "CREATE TABLE t AS SELECT 1 AS n")
        assert bench.back_up().ok
        run = restore(bench, "--newest", name, "--replace")
        assert run.ok, run.message
        rows = drill.ask(
            bench.server,
            "postgres",
            "SELECT datname FROM pg_database WHERE datname LIKE 'before%'",
        )
        kept = rows.strip()
        assert name.startswith(kept.split("_", 3)[-1])
        assert len(kept.split("_", 3)[-1].encode()) >= min(29, len(name.encode()))
    finally:
        do(
            bench.server,
            f'DROP DATABASE IF EXISTS "{name}"',
            *([f'DROP DATABASE "{kept}"'] if kept else []),
        )


def test_advice_names_what_is_missing(bench: ScriptBench) -> None:
    """Large objects, row security and the right to connect each have a remedy of their own."""
    do(
        bench.server,
        "CREATE ROLE backup LOGIN PASSWORD 'farm'",
        "GRANT pg_read_all_data TO backup",
        *(f"CREATE DATABASE {name}" for name in ("pictures", "guarded", "closed")),
        "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
    )
    drill.ask(bench.server, "pictures", "SELECT lo_from_bytea(0, 'picture')")
    drill.ask(
        bench.server,
        "guarded",
        "CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    )
    try:
        role = {"POSTGRES_USER": "backup", "PGPASSWORD": "farm"}
        run = bench.back_up({"BACKUP_DATABASES": "pictures guarded closed", **role})
    finally:
        do(
            bench.server,
            *(f"DROP DATABASE {name}" for name in ("pictures", "guarded", "closed")),
            "DROP ROLE backup",
        )
    told = {event["database"]: event["error"].rpartition("; ")[2] for event in run.events}
    assert told["pictures"].startswith("GRANT SELECT ON LARGE OBJECT")
    assert told["guarded"] == "ALTER ROLE backup BYPASSRLS"
    assert told["closed"] == "grant backup CONNECT on it"


def test_missing_locale_is_not_taken_for_a_missing_role(bench: ScriptBench) -> None:
    """A server without the source's locale cannot make the database: the advice says which way."""
    do(bench.server, "CREATE DATABASE thai TEMPLATE template0 LC_COLLATE 'C'")
    programs = with_program(
        bench,
        "pg_restore",
        f"""#!/bin/bash
'{bench.server.bin}/pg_restore' "$@" | sed -E "s/^(CREATE DATABASE .*) LOCALE[^;]*;/\\1;/
s/^(CREATE DATABASE [^ ]+ WITH TEMPLATE = template0).*;/\\1 LOCALE = 'th_TH.nowhere';/"
""",
    )
    try:
        assert bench.back_up({"BACKUP_DATABASES": "thai"}).ok
        run = restore(bench, "--newest", "thai", "--into", "again", PGBIN=str(programs))
    finally:
        do(bench.server, "DROP DATABASE thai", "DROP DATABASE IF EXISTS again")
    assert run.code == 1
    assert "install the locale that the error names" in run.message
    assert "--globals" not in run.message


def test_drill_below_a_long_path_finds_its_socket(bench: ScriptBench) -> None:
    """A socket's path may have 107 bytes, and RESTORE_SCRATCH or TMPDIR more than that.

    Where else: every server of ours that is reached by a socket.
    """
    do(bench.server, "CREATE DATABASE deep")
    try:
        assert bench.back_up({"BACKUP_DATABASES": "deep"}).ok
    finally:
        do(bench.server, "DROP DATABASE deep")
    with drill.workplace() as place:
        deep = place.joinpath(*["a folder with a long name"] * 6)
        deep.mkdir(parents=True)
        for folder in (deep, *deep.parents[:5]):
            folder.chmod(0o755)
        run = restore(bench, "--drill", RESTORE_SCRATCH=str(deep))
    assert run.ok, run.message


def test_drill_has_room_for_the_locks_of_a_large_server(bench: ScriptBench) -> None:
    """A view over thousands of partitions locks each, and its server may have been given room.

    Where else: `--into` a server with less room; there pg_restore's own hint says what to raise.
    """
    do(bench.server, "CREATE DATABASE wide")
    try:
        drill.ask(
            bench.server,
            "wide",
            """
            CREATE TABLE t AS SELECT 1 AS n;
            CREATE MATERIALIZED VIEW mv AS
                SELECT count(pg_advisory_xact_lock(g)) FROM t, generate_series(1, t.n) AS g;
            UPDATE t SET n = 50000
            """,
        )
        assert bench.back_up({"BACKUP_DATABASES": "wide"}).ok
    finally:
        do(bench.server, "DROP DATABASE wide")
    with drill.workplace() as place:
        run = restore(bench, "--drill", RESTORE_SCRATCH=str(place))
    assert run.ok, run.message
