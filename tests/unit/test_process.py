"""Processes get an argv list, a scrubbed environment, a deadline, and end with their children."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from closeout import process


def test_run_does_not_hand_on_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret of the caller stays with the caller."""
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    assert "s3cret" not in process.run(["env"]).out


def test_run_ends_the_whole_group_at_the_deadline(tmp_path: Path) -> None:
    """A child that outlives its parent is ended too."""
    mark = tmp_path / "pid"
    result = process.run(["sh", "-c", f"sleep 60 & echo $! > {mark}; wait"], deadline=0.5)
    assert result.code is None
    for _ in range(100):
        try:
            os.kill(int(mark.read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the child is still running")


def test_run_gives_127_for_a_missing_program() -> None:
    """A missing tool is an answer, not a crash."""
    done = process.run(["no-such-program-anywhere"])
    assert (done.code, done.err) == (127, "no-such-program-anywhere is not installed")


def test_run_bounds_the_text_it_keeps() -> None:
    """The end of a long output is kept, where the reason stands."""
    result = process.run(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; echo end"])
    assert len(result.out) <= process.OUTPUT_CAP
    assert result.out.endswith("end\n")


def test_running_ends_the_server_with_the_block(tmp_path: Path) -> None:
    """Nothing that was started is left."""
    with process.running(["sleep", "60"], log=tmp_path / "log") as sleeper:
        assert sleeper.poll() is None
    assert sleeper.poll() is not None


_SERVES = """
import sys, time
from pathlib import Path
from closeout import process as shell
with shell.running(["sleep", "600"], log=Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    time.sleep(600)
"""
_TESTS = """
import sys
from closeout import process as shell
shell.run([sys.executable, "-c", sys.argv[1], sys.argv[2]], deadline=600, foreign=True)
"""
_DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 64)
        with open(sys.argv[1] + ".new", "w") as told:
            told.write(str(os.getpid()))
        os.rename(told.name, sys.argv[1])
        time.sleep(600)
    os._exit(0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""
"""A suite that starts a daemon, which leaves its process group, and says who that is."""


def test_running_leaves_no_server_behind_when_this_process_is_killed(tmp_path: Path) -> None:
    """A kill that nobody can catch ends the server too."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVES, tmp_path / "log"], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        assert _is_alive(server)
        owner.kill()
    assert _ends(server)


@pytest.mark.parametrize("foreign", [True, False])
def test_foreign_code_leaves_no_daemon_behind(tmp_path: Path, foreign: bool) -> None:
    """A suite's is ended with it; a program of ours may start one."""
    mark = tmp_path / "pid"
    assert process.run([sys.executable, "-c", _DAEMON, mark], foreign=foreign).ok
    daemon = int(mark.read_text())
    assert _is_alive(daemon) is not foreign
    if not foreign:
        os.kill(daemon, 9)


def test_foreign_code_is_not_waited_for_by_what_it_left() -> None:
    """A child in the background holds the output open."""
    done = process.run(["sh", "-c", "sleep 600 & echo done"], deadline=300, foreign=True)
    assert (done.code, done.out) == (0, "done\n")


def test_foreign_code_leaves_nothing_when_this_process_is_killed(tmp_path: Path) -> None:
    """Neither itself nor its daemon."""
    mark, own = tmp_path / "daemon", tmp_path / "own"
    stays = f"open({str(own)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    argv = [sys.executable, "-c", _TESTS, _DAEMON + stays, mark]
    with subprocess.Popen(argv) as owner:
        while not own.exists() or not own.read_text():
            time.sleep(0.02)
        owner.kill()
    assert _ends(int(own.read_text()))
    assert _ends(int(mark.read_text()))


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + 60.0
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
