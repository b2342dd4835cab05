"""A suite's processes reach loopback and nothing else, whoever runs them."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from closeout import process
from closeout.harness import offline, postgres
from closeout.harness.launchers import loopback_only

SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin")
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()
    print("reached")
except OSError as error:
    print(type(error).__name__, error)
"""
NODE = """
const [host, port] = process.argv.slice(1);
require('node:http').get({ host, port }, () => {}).on('error', (error) => {
  console.log(error.message);
});
"""
DOCUMENTED = "192.0.2.1"
"""An address kept for documents: nobody has it, and it is asked for without a network only."""


def needs_namespace() -> None:
    """Skip where the system lends no network namespace."""
    if not offline.offline().argv:
        pytest.skip("no network namespace to be had")


def test_namespace_hides_the_machines_own_servers_when_it_is_to_be_had() -> None:
    """A listener outside is out of reach, and so is everything further away."""
    needs_namespace()
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = str(outside.getsockname()[1])
        words = ("python3", "-c", CONNECT, "127.0.0.1", port)

        plain = process.run(words)
        shut = process.run((*offline.offline().argv, *words))

    assert plain.out == "reached\n"
    assert shut.out.startswith("ConnectionRefusedError")


def test_namespace_keeps_a_loopback_of_its_own_when_a_test_serves_itself() -> None:
    """Tests that boot a server and call it still work."""
    needs_namespace()
    script = (
        "import socket; server = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(server.getsockname()).close(); print('served')"
    )

    assert process.run((*offline.offline().argv, "python3", "-c", script)).out == "served\n"


@pytest.mark.skipif(os.geteuid() != 0 or not SYSTEM_PYTHON, reason="becomes an ordinary user")
def test_namespace_is_entered_by_an_ordinary_user_when_the_system_lets_them() -> None:
    """Root is not needed; a system that refuses is told by the exit code, not by a pass."""
    script = Path(loopback_only.__file__).read_text()
    argv = (str(SYSTEM_PYTHON), "-I", "-S", "-c", script, "id", "-u")

    result = process.run(argv, user=65534, cwd=Path("/"))

    assert (result.code, result.out) in {(0, "65534\n"), (loopback_only.REFUSED, "")}


@pytest.mark.parametrize(("code", "runtime"), [(CONNECT, "python3 -c"), (NODE, "node -e")])
def test_guard_refuses_what_is_not_loopback_when_there_is_no_namespace(
    code: str, runtime: str
) -> None:
    """The weaker means says so itself, before anything is sent."""
    needs_namespace()
    guarded = offline.guarded()

    result = process.run(
        (*offline.offline().argv, *runtime.split(), code, DOCUMENTED, "9"), env=guarded.env
    )

    assert f"tests have no network: {DOCUMENTED}" in result.out.replace("'", "")


@pytest.mark.parametrize(("code", "runtime"), [(CONNECT, "python3 -c"), (NODE, "node -e")])
def test_guard_lets_loopback_through_when_a_test_serves_itself(code: str, runtime: str) -> None:
    """A closed port refuses; the guard does not."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])

        result = process.run((*runtime.split(), code, "127.0.0.1", port), env=offline.guarded().env)

    assert "no network" not in result.out
    assert "refused" in result.out.lower()


@pytest.mark.parametrize(
    ("given", "is_used"),
    [
        ("postgresql://me:x@/mine?host=/run/postgresql", True),
        ("postgresql://me:x@localhost:5432/mine", False),
        ("", False),
    ],
)
def test_database_is_the_one_given_when_it_is_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, *, is_used: bool
) -> None:
    """A suite without a network reaches no TCP server; then it gets one of its own."""
    monkeypatch.setenv(offline.VARIABLE, given)
    monkeypatch.setattr(postgres, "binaries", lambda: None)
    with offline.database(tmp_path) as address:
        assert address == (given if is_used else None)
