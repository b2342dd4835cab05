"""What the restored database holds where a server's settings, roles and triggers have a say in it.

Of this kind is everything that PostgreSQL computes again in a restore: materialised views,
generated columns, indexes; and everything that acts on our own statements.
"""

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
