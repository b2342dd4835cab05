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
    assert process.run(["no-such-program-anywhere"]).code == 127


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
from closeout import process
with process.running(["sleep", "600"], log=Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    time.sleep(600)
"""


def test_running_leaves_no_server_behind_when_this_process_is_killed(tmp_path: Path) -> None:
    """A kill that nobody can catch ends the server too."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVES, tmp_path / "log"], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        assert _is_alive(server)
        owner.kill()
    deadline = time.monotonic() + 30.0
    while _is_alive(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_alive(server)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
