"""What the restored database holds where a server's settings, roles and triggers have a say in it.

Of this kind is everything that PostgreSQL computes again in a restore: materialised views,
generated columns, indexes; and everything that acts on our own statements.
"""

from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from tests.support.backups import do, restore, with_program

pytestmark = [pytest.mark.live]

SETTINGS = {
    "a view of days": (
        "ALTER DATABASE farm SET timezone TO 'Asia/Bangkok'",
        """
        CREATE TABLE reading AS
            SELECT timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' AS at
            FROM generate_series(0, 95) AS n;
        CREATE MATERIALIZED VIEW seen AS
            SELECT at::date AS day, count(*) AS n FROM reading GROUP BY 1
        """,
    ),
    "a view of one region": (
        "ALTER DATABASE farm SET app.region TO 'north'",
        """
        CREATE TABLE barn AS SELECT 1 AS n, 'north' AS region;
        CREATE MATERIALIZED VIEW seen AS SELECT n, current_setting('app.region')
            FROM barn WHERE region = current_setting('app.region')
        """,
    ),
    "a view of a role's days": (
        "ALTER ROLE CURRENT_USER IN DATABASE farm SET timezone TO 'Asia/Bangkok'",
        """
        CREATE TABLE reading AS
            SELECT timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' AS at
            FROM generate_series(0, 95) AS n;
        CREATE MATERIALIZED VIEW seen AS
            SELECT at::date AS day, count(*) AS n FROM reading GROUP BY 1
        """,
    ),
    "a generated day": (
        "ALTER DATABASE farm SET timezone TO 'Asia/Bangkok'",
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
    """What depends on a database's or a role's settings comes back equal, and not silently wrong.

    A setting that forbids writing holds as well, but only once everything is written.
    """
    setting, sql = SETTINGS[case]
    do(bench.server, "CREATE DATABASE farm", setting)
    try:
        drill.ask(bench.server, "farm", sql)
        do(bench.server, "ALTER DATABASE farm SET default_transaction_read_only TO on")
        assert bench.back_up({"BACKUP_DATABASES": "farm"}).ok
        run = restore(bench, "--newest", "farm", "--into", "again")
        assert run.ok, run.message
        with drill.workplace() as place:
            drilled = restore(bench, "--drill", RESTORE_SCRATCH=str(place))
        assert drilled.ok, drilled.message
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


KEPT = """
    CREATE TABLE log (n int GENERATED ALWAYS AS IDENTITY, at int) PARTITION BY RANGE (at);
    CREATE TABLE leaf PARTITION OF log FOR VALUES FROM (0) TO (9);
    CREATE TABLE middle PARTITION OF log FOR VALUES FROM (9) TO (99) PARTITION BY LIST (at);
    CREATE TABLE "deep leaf" PARTITION OF middle DEFAULT;
    INSERT INTO log (at) SELECT n FROM generate_series(1, 20) AS n;
    CREATE SEQUENCE next_one START 5 INCREMENT 3;
    CREATE SEQUENCE downwards INCREMENT -1 MINVALUE -9223372036854775808;
    SELECT nextval('downwards'), setval('downwards', -9223372036854775808);
    CREATE SEQUENCE around MAXVALUE 3 CYCLE;
    CREATE MATERIALIZED VIEW stale AS SELECT count(*) FROM log;
    CREATE MATERIALIZED VIEW fresh AS SELECT count(*) FROM leaf;
    CREATE MATERIALIZED VIEW untold AS SELECT 1 AS n WITH NO DATA;
    INSERT INTO log (at) VALUES (30);
"""
MOVED = {
    "a leaf": ("UPDATE leaf SET at = 2 WHERE at = 1", "the restored content differs"),
    "a leaf below": ("DELETE FROM middle WHERE at = 30", "the restored content differs"),
    "an identity": ("SELECT setval('log_n_seq', 3)", "public.log_n_seq: 22 to 22, and not 4"),
    "a sequence": ("SELECT nextval('next_one')", "public.next_one: 5 to 5, and not 8"),
    "no sequence": ("DROP SEQUENCE next_one", "public.next_one: 5 to 5, and not "),
}
SPOILS = """#!/bin/bash
'{bin}/pg_restore' "$@" || exit
for word in "$@"; do [[ $word != --dbname=* ]] || base=${{word#--dbname=}}; done
[[ " $* " != *entries.content* ]] || '{bin}/psql' -X -q -d "$base" -c "{sql}"
"""


def test_every_state_that_differs_is_told(bench: ScriptBench) -> None:
    """Partitions and sequences that differ end with 7, a view with other rows is named.

    A view is computed anew, so one that was stale differs by right: a warning and the JSON line.
    Where else: rows in the tables of an extension that are dumped with it are not compared.
    """
    do(bench.server, "CREATE DATABASE kept")
    try:
        drill.ask(bench.server, "kept", KEPT)
        assert bench.back_up({"BACKUP_DATABASES": "kept"}).ok
        for what, (sql, said) in MOVED.items():
            spoiled = SPOILS.format(bin=bench.server.bin, sql=sql)
            programs = with_program(bench, "pg_restore", spoiled)
            run = restore(bench, "--newest", "kept", "--into", "again", PGBIN=str(programs))
            assert (run.code, said in run.message) == (7, True), (what, run.message)
        run = restore(bench, "--newest", "kept", "--into", "again")
        assert run.ok, run.message
        assert run.events[-1]["changed_views"] == ["public.stale"]
        assert "the materialised view public.stale holds other rows" in run.message
    finally:
        do(bench.server, "DROP DATABASE kept", "DROP DATABASE IF EXISTS again")


def test_sequence_that_moves_in_a_backup_is_no_difference(bench: ScriptBench) -> None:
    """A sequence knows no snapshot: any number that it had between begin and end is right."""
    moves = f"'{bench.server.bin}/psql' -X -q -d moving -c \"SELECT nextval('s')\" >/dev/null\n"
    move = f"[[ $* != *--snapshot* ]] || {moves}"
    dump = f"'{bench.server.bin}/pg_dump' \"$@\" || exit\n"
    do(bench.server, "CREATE DATABASE moving")
    try:
        drill.ask(bench.server, "moving", "CREATE SEQUENCE s")
        programs = with_program(bench, "pg_dump", f"#!/bin/bash\n{move}{dump}{move}")
        saved = bench.back_up({"BACKUP_DATABASES": "moving", "PGBIN": str(programs)})
        assert saved.ok, saved.message
        run = restore(bench, "--newest", "moving", "--into", "again")
        assert run.ok, run.message
    finally:
        do(bench.server, "DROP DATABASE moving", "DROP DATABASE IF EXISTS again")


def test_view_that_cannot_be_read_ends_no_backup(bench: ScriptBench) -> None:
    """pg_dump need not read it: it is backed up, not compared, and both are said."""
    do(bench.server, "CREATE DATABASE partly", "CREATE ROLE partner LOGIN PASSWORD 'farm'")
    try:
        drill.ask(
            bench.server,
            "partly",
            """
            CREATE TABLE t AS SELECT 1 AS n;
            CREATE MATERIALIZED VIEW hidden AS SELECT n FROM t;
            CREATE MATERIALIZED VIEW shown AS SELECT n FROM t;
            GRANT SELECT ON t, shown TO partner;
            """,
        )
        role = {"POSTGRES_USER": "partner", "PGPASSWORD": "farm"}
        saved = bench.back_up({"BACKUP_DATABASES": "partly", **role})
        (told,) = [event for event in saved.events if event["database"] == "partly"]
        assert told["status"] == "ok", saved.message
        assert "permission denied for materialized view hidden" in told["warnings"]
        assert restore(bench, "--newest", "partly", "--into", "again").ok
        seen = _backup(bench, "partly") / "views.tsv"
        assert seen.read_text().startswith("public.shown\t1\t")
    finally:
        do(
            bench.server,
            "DROP DATABASE partly",
            "DROP DATABASE IF EXISTS again",
            "DROP ROLE partner",
        )


def _backup(bench: ScriptBench, database: str) -> Path:
    return drill.backups_of(bench.folder, database)[-1]
