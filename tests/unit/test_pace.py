"""A deadline follows the machine, and a wait goes on while the process that is waited for works."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from closeout import process
from closeout.cli.parser import parser
from closeout.harness import redis
from closeout.harness.http import free_port
from closeout.process import pace

_WORKS = "while True: pass"
_HANGS = "import time; time.sleep(60)"
_POLLS = "import time\nwhile True: time.sleep(0.2)"
_CHILD_WORKS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_WORKS!r}])"


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the machine seem quiet, whatever it does."""
    monkeypatch.setattr(pace, "slowness", lambda: 1.0)


@contextmanager
def _process(code: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with process.running([sys.executable, "-c", code], log=log) as child:
        yield child


def _lasted(waiting: pace.Waiting) -> float:
    began = time.monotonic()
    while waiting.lasts():
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("code", [_WORKS, _CHILD_WORKS])
def test_wait_goes_on_while_the_group_uses_the_processor(tmp_path: Path, code: str) -> None:
    """Four deadlines and no more; a child of the process counts as the process."""
    with _process(code, tmp_path / "log") as child:
        lasted = _lasted(pace.Waiting(1.0, group=child.pid))
    assert 3.9 < lasted < 6.0


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("code", [_HANGS, _POLLS])
def test_wait_ends_soon_after_the_deadline_when_nothing_is_done(tmp_path: Path, code: str) -> None:
    """A sixth of the deadline without work is enough; looking up now and then is no work."""
    with _process(code, tmp_path / "log") as child:
        lasted = _lasted(pace.Waiting(3.0, group=child.pid))
    assert 2.9 < lasted < 5.0


@pytest.mark.usefixtures("quiet")
def test_wait_goes_on_while_the_log_grows(tmp_path: Path) -> None:
    """A process that waits for somebody else tells so."""
    log = tmp_path / "log"
    code = "import time\nfor _ in range(20): print('on my way', flush=True); time.sleep(0.1)\n"
    with _process(f"{code}\n{_HANGS}", log) as child:
        lasted = _lasted(pace.Waiting(0.6, group=child.pid, log=log))
    assert 1.5 < lasted < 4.0


def test_wait_is_longer_on_a_slower_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as slow, twice as long; and the words say how long it was."""
    monkeypatch.setattr(pace, "slowness", lambda: 4.0)
    waiting = pace.Waiting(0.5)
    assert 1.9 < _lasted(waiting) < 4.0
    assert waiting.waited.startswith("within 0.5 s, nor in ")


def test_machine_is_not_measured_before_a_deadline_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A quiet machine pays nothing for what only a busy one needs."""

    def measured() -> float:
        pytest.fail("it was measured")

    monkeypatch.setattr(pace, "slowness", measured)
    assert pace.Waiting(60.0).lasts()
    assert process.run(["true"]).ok


@pytest.mark.parametrize(("started", "slow"), [(0.05, 1.0), (0.4, 4.0), (9.0, 20.0)])
def test_slowness_is_what_a_reference_start_takes(
    monkeypatch: pytest.MonkeyPatch, started: float, slow: float
) -> None:
    """A fast machine shortens no deadline, and a stuck one does not stretch it without end."""
    machine = pace._Machine  # noqa: SLF001 - what was measured before must be forgotten
    monkeypatch.setattr(machine, "until", 0.0)
    monkeypatch.setattr(machine, "slowness", 1.0)
    monkeypatch.setattr(pace, "_reference_start", lambda: started)
    assert pace.slowness() == slow
    monkeypatch.setattr(pace, "_reference_start", lambda: 0.2)
    assert pace.slowness() == slow, "a measurement is good for some seconds"


def test_reference_start_is_measured_on_this_machine() -> None:
    """The measurement itself is a real process, and bounded."""
    assert 0.0 < pace._reference_start() <= 2.5  # noqa: SLF001 - what is measured is not shown otherwise


def test_run_gives_a_program_longer_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds, browsers and backups have the machine's own time; what they said is kept."""
    monkeypatch.setattr(pace, "slowness", lambda: 20.0)
    result = process.run(["sh", "-c", "echo early; sleep 1; echo late"], deadline=0.2)
    assert result.code == 0
    assert result.out == "early\nlate\n"


@pytest.mark.usefixtures("quiet")
def test_deadline_that_was_asked_for_stretches_every_other_wait() -> None:
    """Five times the usual for a service is five times for its database too."""
    with pace.kept(pace.Pace(deadline=300.0)):
        assert pace.scaled(10.0) == 50.0
        assert pace.Waiting(20.0).seconds == 100.0
    with pace.kept(pace.Pace(deadline=5.0)):
        assert pace.scaled(10.0) == 10.0, "a short one is for services alone"
    assert pace.scaled(10.0) == 10.0


def test_as_many_boot_at_a_time_as_there_are_cores() -> None:
    """Only the cores that this process may use count."""
    run = process.run(
        [
            *("taskset", "-c", "0", sys.executable, "-c"),
            "from closeout.process import pace; print(pace.current().workers)",
        ]
    )
    assert run.out.strip() == "1", run.err
    assert pace.Pace().workers == pace.usable_cores()


@pytest.mark.parametrize(
    "words",
    [("--workers", "0"), ("--workers", "two"), ("--deadline", "0"), ("--deadline", "nan")],
)
def test_probe_refuses_a_pace_that_cannot_be_kept(
    capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    """A usage error, with the option and the next step."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["probe", "--python", "python", *words])
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_probe_takes_workers_and_a_deadline() -> None:
    """The session's own options, after `--`."""
    words = ["probe", "--python", "python", "--workers", "1", "--deadline", "300"]
    options = parser().parse_args(words)
    assert (options.workers, options.deadline) == (1, 300.0)


@pytest.mark.needs("redis-server")
def test_redis_tells_how_many_are_connected(tmp_path: Path) -> None:
    """The one that asks is not counted."""
    port = free_port()
    with redis.server(tmp_path, port):
        assert redis.clients(port) == 0
        assert redis.clients(port) == 0
