"""What the restored database holds where a server's settings, roles and triggers have a say in it.

Of this kind is everything that PostgreSQL computes again in a restore: materialised views,
generated columns, indexes; and everything that acts on our own statements.
"""

from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from tests.support.backups import do, restore

pytestmark = [pytest.mark.live]

SETTINGS = {
    "a view of days": (
        "SET timezone TO 'Asia/Bangkok'",
        """
        CREATE TABLE reading AS
            SELECT timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' AS at
            FROM generate_series(0, 95) AS n;
        CREATE MATERIALIZED VIEW seen AS
            SELECT at::date AS day, count(*) AS n FROM reading GROUP BY 1
        """,
    ),
    "a view of one region": (
        "SET app.region TO 'north'",
        """
        CREATE TABLE barn AS SELECT 1 AS n, 'north' AS region;
        CREATE MATERIALIZED VIEW seen AS SELECT n, current_setting('app.region')
            FROM barn WHERE region = current_setting('app.region')
        """,
    ),
    "a generated day": (
        "SET timezone TO 'Asia/Bangkok'",
        """
        CREATE FUNCTION farm_day(timestamptz) RETURNS date IMMUTABLE LANGUAGE sql
            AS 'SELECT $1::date';
        CREATE TABLE seen (at timestamptz, day date
            GENERATED ALWAYS AS (public.farm_day(at)) STORED);
        INSERT INTO seen (at) SELECT timestamptz '2026-01-01 00:00+00' + n * interval '1 hour'
            FROM generate_series(0, 95) AS n
        """,
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_hold_while_rows_are_computed_again(bench: ScriptBench, case: str) -> None:
    """What depends on the database's settings comes back equal, and it did so silently wrong.

    A setting that forbids writing holds as well, but only once everything is written.
    """
    setting, sql = SETTINGS[case]
    do(bench.server, "CREATE DATABASE farm", f"ALTER DATABASE farm {setting}")
    try:
        drill.ask(bench.server, "farm", sql)
        do(bench.server, "ALTER DATABASE farm SET default_transaction_read_only TO on")
        assert bench.back_up({"BACKUP_DATABASES": "farm"}).ok
        run = restore(bench, "--newest", "farm", "--into", "again")
        assert run.ok, run.message
        for rows in ("SELECT * FROM seen ORDER BY 1, 2", "SHOW default_transaction_read_only"):
            before = drill.ask(bench.server, "farm", rows)
            assert before
            assert drill.ask(bench.server, "again", rows) == before
    finally:
        do(bench.server, "DROP DATABASE farm", "DROP DATABASE IF EXISTS again")


TRIGGERS = {
    "refuses": "RAISE EXCEPTION 'no DDL here'",
    "audits": "INSERT INTO public.audit VALUES (tg_tag)",
}


@pytest.mark.parametrize("what", TRIGGERS)
def test_event_triggers_do_not_act_on_a_restore(bench: ScriptBench, what: str) -> None:
    """They come last: one that refuses said "corrupt", one that writes changed the content.

    Neither the views that are computed nor the check of the drill meets them; both come back.
    """
    do(bench.server, "CREATE DATABASE watched")
    try:
        drill.ask(
            bench.server,
            "watched",
            f"""
            CREATE TABLE audit (tag text);
            CREATE TABLE t AS SELECT 1 AS n;
            CREATE MATERIALIZED VIEW mv AS SELECT n FROM t;
            CREATE FUNCTION act() RETURNS event_trigger LANGUAGE plpgsql
                AS $$ BEGIN {TRIGGERS[what]}; END $$;
            CREATE EVENT TRIGGER acts ON ddl_command_end EXECUTE FUNCTION act();
            """,  # noqa: S608 - the words above
        )
        assert bench.back_up({"BACKUP_DATABASES": "watched"}).ok
        with drill.workplace() as place:
            drilled = restore(
                bench, "--drill", str(_backup(bench, "watched")), RESTORE_SCRATCH=str(place)
            )
        assert drilled.ok, drilled.message
        assert drilled.events[-1]["amcheck"] == "ok"
        run = restore(bench, "--newest", "watched", "--into", "again")
        assert run.ok, run.message
        assert drill.ask(bench.server, "again", "SELECT evtname FROM pg_event_trigger") == "acts\n"
        assert drill.ask(bench.server, "again", "SELECT n FROM mv") == "1\n"
    finally:
        do(bench.server, "DROP DATABASE watched", "DROP DATABASE IF EXISTS again")


def test_roles_that_are_ignored_need_not_be_there(bench: ScriptBench) -> None:
    """Policies and user mappings name roles too: without them they are left out, and named."""
    do(bench.server, "CREATE DATABASE guarded", "CREATE ROLE barn_reader", "CREATE ROLE stays")
    try:
        drill.ask(
            bench.server,
            "guarded",
            """
            CREATE TABLE t AS SELECT 1 AS n;
            ALTER TABLE t ENABLE ROW LEVEL SECURITY;
            CREATE POLICY of_all ON t FOR SELECT USING (true);
            CREATE POLICY of_one ON t TO barn_reader USING (true);
            COMMENT ON POLICY of_one ON t IS 'for the barn';
            CREATE POLICY of_another ON t TO stays USING (true);
            CREATE FOREIGN DATA WRAPPER w;
            CREATE SERVER s FOREIGN DATA WRAPPER w;
            CREATE USER MAPPING FOR barn_reader SERVER s;
            """,
        )
        assert bench.back_up({"BACKUP_DATABASES": "guarded"}).ok
        with drill.workplace() as place:
            alone = {"RESTORE_SCRATCH": str(place)}
            drilled = restore(bench, "--drill", str(_backup(bench, "guarded")), **alone)
        assert drilled.ok, drilled.message
        do(bench.server, "DROP DATABASE guarded", "DROP ROLE barn_reader")
        run = restore(bench, "--newest", "guarded", RESTORE_OWNERSHIP="ignore")
        assert run.ok, run.message
        assert [" ".join(item.split()[:2]) for item in run.events[-1]["left_out"]] == [
            "USER MAPPING",
            "POLICY public",
            "COMMENT public",
        ]
        assert "left out, since its role is not here: POLICY public t of_one" in run.message
        policies = "SELECT polname FROM pg_policy ORDER BY 1"
        assert drill.ask(bench.server, "guarded", policies) == "of_all\nof_another\n"
    finally:
        do(
            bench.server,
            "DROP DATABASE IF EXISTS guarded",
            "DROP ROLE IF EXISTS barn_reader, stays",
        )


def test_view_that_cannot_be_computed_denies_nothing_else(bench: ScriptBench) -> None:
    """A setting restores all but the view, and says so with status 10; without it nothing changes.

    A view that reads it stays empty as well, and one beside it is computed.
    """
    do(bench.server, "CREATE DATABASE unqualified")
    try:
        drill.ask(
            bench.server,
            "unqualified",
            """
            CREATE TABLE t AS SELECT 1 AS n;
            CREATE FUNCTION total() RETURNS bigint LANGUAGE sql STABLE
                AS 'SELECT count(*) FROM t';
            CREATE MATERIALIZED VIEW broken AS SELECT total() AS n;
            CREATE MATERIALIZED VIEW "above it" AS SELECT n FROM broken;
            CREATE MATERIALIZED VIEW sound AS SELECT n FROM t;
            CREATE UNIQUE INDEX ON broken (n);
            """,
        )
        assert bench.back_up({"BACKUP_DATABASES": "unqualified"}).ok
        denied = restore(bench, "--newest", "unqualified", "--into", "again")
        assert denied.code == 1
        assert "RESTORE_FAILED_VIEWS=leave" in denied.message
        left = restore(
            bench, "--newest", "unqualified", "--into", "again", RESTORE_FAILED_VIEWS="leave"
        )
        assert left.code == 10
        assert left.events[-1]["status"] == "incomplete"
        assert sorted(left.events[-1]["unrefreshed"]) == [
            "MATERIALIZED VIEW public above it",
            "MATERIALIZED VIEW public broken",
        ]
        filled = "SELECT matviewname FROM pg_matviews WHERE ispopulated"
        assert drill.ask(bench.server, "again", filled) == "sound\n"
    finally:
        do(bench.server, "DROP DATABASE unqualified", "DROP DATABASE IF EXISTS again")


def _backup(bench: ScriptBench, database: str) -> Path:
    return drill.backups_of(bench.folder, database)[-1]
