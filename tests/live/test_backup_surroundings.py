"""What a server, its databases and an environment may hold, and both scripts have to bear."""

import shutil
from pathlib import Path

import pytest

from closeout import process
from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres
from tests.support.backups import (
    DATABASE,
    back_up,
    create,
    do,
    newest,
    restore,
    with_program,
)

pytestmark = [pytest.mark.live]

WAITS = """#!/bin/bash
[[ "$*" == *--jobs* ]] || exec '{bin}/pg_dump' "$@"
"""
LATE = """#!/bin/bash
[[ "$*" != *--command* ]] || exec '{bin}/psql' "$@"
while IFS= read -r line; do
  [[ $line != *content.sql* ]] || sleep 1
  printf '%s\\n' "$line"
done | '{bin}/psql' "$@"
"""
"""A psql that begins to sum up a second late."""


def test_names_with_line_breaks_and_names_of_our_own_come_back(bench: ScriptBench) -> None:
    """A table may be called anything; no database stands where the script keeps its notes."""
    create(
        bench.server,
        "sums",
        'CREATE TABLE "a\nb\\c\td" AS SELECT n FROM generate_series(1, 7) AS n;'
        ' CREATE TABLE "a\nb" AS SELECT 1 AS n',
    )
    try:
        run = bench.back_up({"BACKUP_DATABASES": "sums"})
        assert run.ok, run.message
        back = restore(bench, "--newest", "sums", "--into", "mended", RESTORE_OWNERSHIP="ignore")
        assert back.ok, back.message
        assert back.events[-1]["tables_equal"] == 2
        rows = drill.ask(bench.server, "mended", 'SELECT count(*) FROM "a\nb\\c\td"')
        assert rows.strip() == "7"
    finally:
        do(bench.server, "DROP DATABASE IF EXISTS sums", "DROP DATABASE IF EXISTS mended")


def test_database_that_no_tool_can_restore_is_refused_by_name(bench: ScriptBench) -> None:
    """PostgreSQL's own tools refuse a line break in a database's name; the others are backed up."""
    do(bench.server, 'CREATE DATABASE "line\nbreak"')
    try:
        run = bench.back_up()
    finally:
        do(bench.server, 'DROP DATABASE "line\nbreak"')
    failed = {event["database"]: event["error"] for event in run.events if event["error"]}
    assert run.code == 1
    assert list(failed) == ["line\nbreak"]
    assert "rename it" in failed["line\nbreak"]
    assert len(run.events) > len(drill.SEEDS)


def test_database_keeps_its_settings_limits_and_grants(bench: ScriptBench) -> None:
    """What belongs to the database itself comes back, and without its roles all that needs none."""
    icu = "SELECT count(*) FROM pg_collation WHERE collprovider = 'i'"
    provided = drill.ask(bench.server, "postgres", icu).strip() != "0"
    locale = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" if provided else "LC_COLLATE 'C'"
    do(bench.server, f"CREATE DATABASE kept TEMPLATE template0 {locale}")
    drill.ask(bench.server, "kept", "CREATE TABLE t AS SELECT 1 AS n")
    do(
        bench.server,
        "CREATE ROLE reader",
        "ALTER DATABASE kept SET search_path TO public, farm",
        "ALTER DATABASE kept SET default_transaction_read_only TO on",
        "ALTER DATABASE kept CONNECTION LIMIT 7",
        "ALTER ROLE reader IN DATABASE kept SET work_mem TO '8MB'",
        "REVOKE CONNECT ON DATABASE kept FROM PUBLIC",
        "GRANT CONNECT ON DATABASE kept TO reader",
        "COMMENT ON DATABASE kept IS 'a DATABASE of the farm'",
    )
    asked = (
        "SELECT datconnlimit, datlocprovider, datcollate,"
        " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) AS a),"
        " shobj_description(d.oid, 'pg_database'), (SELECT array_agg("
        "setrole::regrole::text || setconfig::text ORDER BY setrole) FROM pg_db_role_setting"
        " WHERE setdatabase = d.oid) FROM pg_database AS d WHERE datname = '{}'"
    )
    try:
        assert bench.back_up({"BACKUP_DATABASES": "kept"}).ok
        run = restore(bench, "--newest", "kept", "--into", "again")
        assert run.ok, run.message
        alone = restore(bench, "--newest", "kept", "--into", "alone", RESTORE_OWNERSHIP="ignore")
        assert alone.ok, alone.message
        before, after, without = (
            drill.ask(bench.server, "postgres", asked.format(name))
            for name in ("kept", "again", "alone")
        )
        assert after == before
        assert "reader" not in without
        assert "search_path" in without
    finally:
        names = ("kept", "again", "alone")
        do(bench.server, *(f"DROP DATABASE IF EXISTS {name}" for name in names), "DROP ROLE reader")


def test_tablespaces_neither_stop_a_drill_nor_the_roles(bench: ScriptBench) -> None:
    """One that is there stays; a drill makes none, since it is a folder of the real server."""
    with drill.workplace() as place:
        space = place / "space"
        space.mkdir()
        user = postgres.uid_of(postgres.ordinary_user())
        if user is not None:
            shutil.chown(space, user, user)
        do(bench.server, f"CREATE TABLESPACE fast LOCATION '{space}'")
        do(bench.server, "CREATE DATABASE quick", "ALTER DATABASE quick SET TABLESPACE fast")
        drill.ask(bench.server, "quick", "CREATE TABLE t AS SELECT 1 AS n")
        try:
            assert bench.back_up({"BACKUP_DATABASES": "quick"}).ok
            roles = restore(bench, "--globals")
            assert roles.ok, roles.message
            (bench.folder / "lost+found").mkdir()  # as on a volume of its own
            alone = {"RESTORE_SCRATCH": str(place), "PGBIN": str(bench.server.bin)}
            drilled = restore(bench, "--drill", **alone)
            assert drilled.ok, drilled.message
            assert drilled.events[-1]["databases"] == 1
        finally:
            do(bench.server, "DROP DATABASE quick", "DROP TABLESPACE fast")


def test_drill_reaches_no_other_server(bench: ScriptBench) -> None:
    """Whatever the environment says of servers, the drill asks its own."""
    assert back_up(bench).ok
    with drill.workplace() as place:
        run = restore(
            bench,
            *("--drill", str(newest(bench))),
            RESTORE_SCRATCH=str(place),
            PGBIN=str(bench.server.bin),
            PGHOSTADDR="127.0.0.1",
            PGPORT="1",
            PGTARGETSESSIONATTRS="standby",
            PGREQUIREAUTH="scram-sha-256",
        )
    assert run.ok, run.message


def test_server_that_warns_is_still_understood(bench: ScriptBench) -> None:
    """A collation of another version is warned of at every connection; its number is still read."""
    version = "UPDATE pg_database SET datcollversion = {} WHERE datname = 'postgres'"
    do(bench.server, version.format("'0'"))
    try:
        run = back_up(bench)
        assert run.ok, run.message
        back = restore(bench, "--newest", DATABASE, "--into", "warned")
        assert back.ok, back.message
    finally:
        do(bench.server, version.format("NULL"), "DROP DATABASE IF EXISTS warned")


def test_every_table_is_held_before_the_dump_begins(bench: ScriptBench) -> None:
    """A table that is emptied after the dump would read as empty in the snapshot, too."""
    seen = bench.scratch / "held"
    held = (
        "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " JOIN pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'"
        " WHERE a.application_name = 'backup-database' AND l.mode = 'AccessShareLock'"
        " AND c.relname !~ '^pg_'"
    )
    late = with_program(bench, "psql", LATE.format(bin=bench.server.bin))
    asking = f"psql -X -A -t -d {DATABASE} -c \"{held}\" >'{seen}'\n"
    dumping = f"exec '{bench.server.bin}/pg_dump' \"$@\"\n"
    waits = WAITS.format(bin=bench.server.bin)
    folder = with_program(bench, "pg_dump", waits + asking + dumping, among=late)
    run = back_up(bench, PGBIN=str(folder))
    assert run.ok, run.message
    (event,) = [event for event in run.events if event["database"] == DATABASE]
    assert int(seen.read_text()) == event["tables"]


def test_failed_dump_leaves_nobody_who_holds_the_lock(bench: ScriptBench) -> None:
    """Whatever a failed database has started ends with it, so that the next run gets in."""
    folder = with_program(
        bench, "pg_dump", WAITS.format(bin=bench.server.bin) + "sleep 30 &\nexit 1\n"
    )
    settings = drill.connection(bench.server) | {
        "BACKUP_DIR": str(bench.folder),
        "BACKUP_DATABASES": DATABASE,
        "PGBIN": str(folder),
    }
    script = drill.SCRIPTS / "backup-database.sh"
    line = f"bash '{script}'; echo \"ended with $?\"; flock --nonblock '{bench.folder}/.lock' true"
    told = process.run(["bash", "-c", line], env=settings, deadline=60)
    assert "ended with 1" in told.out
    assert told.ok, "the lock is held by what was left"


@pytest.mark.parametrize("kept", ["0", "100", "half"])
def test_dump_that_is_cut_is_told_whatever_the_client(bench: ScriptBench, kept: str) -> None:
    """pg_restore takes a cut file of zstd for a whole one; the end of each table is looked for."""
    packaged = postgres.packaged_binaries()
    assert packaged is not None
    size = '"$(($(stat -c %s "$file") / 2))"' if kept == "half" else kept
    for client in {bench.server.bin, packaged}:
        programs = with_program(
            bench,
            "pg_dump",
            f"""#!/bin/bash
'{client}/pg_dump' "$@" || exit
[[ -f dump/toc.dat ]] || exit 0
for file in dump/*.dat.*; do head -c {size} "$file" >cut && mv cut "$file"; done
""",
            among=client,
        )
        run = back_up(bench, PGBIN=str(programs))
        assert run.code == 1, (client, run.message)
        assert "cannot be read back" in run.message
        assert drill.backups_of(bench.folder, DATABASE) == ()


def test_scripts_bear_a_search_path_of_cd(bench: ScriptBench, tmp_path: Path) -> None:
    """With CDPATH, `cd` tells where it went; that is no part of any sum."""
    assert back_up(bench).ok
    settings = drill.connection(bench.server) | {"BACKUP_DIR": "backups", "CDPATH": str(tmp_path)}
    told = process.run(
        ["bash", drill.SCRIPTS / "restore-database.sh", "--newest", DATABASE, "--into", "found"],
        cwd=tmp_path,
        env=settings,
        deadline=60,
    )
    do(bench.server, "DROP DATABASE IF EXISTS found")
    assert told.ok, told.err
