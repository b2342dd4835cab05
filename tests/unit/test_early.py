"""From its first moment a command ends well on Ctrl-C, and loads nothing of the tree it runs in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from closeout.cli import early, error_handler
from closeout.cli.commands import init
from closeout.errors import ExitCode
from closeout.harness import environments
from tests.support.builders import write_files

HOME = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
STOPS = b"import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
"""A module in the middle of whose import Ctrl-C comes."""
LEAVES_A_MARK = b"open(__file__ + '.ran', 'w').close()\nraise SystemExit('a module of the tree')\n"
COMMAND = ("order", "check", "missing.md")


def _ended(
    argv: list[str | Path], cwd: Path, *first: Path, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that looks into folders `first` for modules, ahead of all others."""
    path = os.pathsep.join(map(str, [*first, HOME / "src"]))
    return subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=_attentive,
    )


def _attentive() -> None:
    """Hear Ctrl-C as a command of a terminal does; a job of the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("module", ["argparse", "msgspec"])
def test_interrupt_while_a_command_is_loaded_is_no_traceback(tmp_path: Path, module: str) -> None:
    """Whatever is being imported: the code for it, and three lines."""
    write_files(tmp_path / "stops", {f"{module}.py": STOPS})
    argv = [sys.executable, "-m", "closeout", *COMMAND]
    done = _ended(argv, tmp_path, tmp_path / "stops")
    assert done.returncode == ExitCode.INTERRUPTED, done.stderr
    assert done.stderr.startswith("error: interrupted\n")
    assert "Traceback" not in done.stderr


def test_interrupt_while_tasks_are_loaded_is_no_traceback(tmp_path: Path) -> None:
    """Invoke would end with 1."""
    write_files(tmp_path / "stops", {"markupsafe.py": STOPS})
    argv = [PROGRAMS / "invoke", "--search-root", HOME, "detect.all", "--root", tmp_path]
    done = _ended(argv, tmp_path, tmp_path / "stops")
    assert done.returncode == ExitCode.INTERRUPTED, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("door", ["invoke", "nox", "pytest"])
def test_environment_of_ours_ends_a_door_that_is_not_loaded_yet(tmp_path: Path, door: str) -> None:
    """Its first line is enough; a program that is no door of ours raises as ever."""
    folder = tmp_path / "environment/lib/python3/site-packages"
    path_file = folder / "_editable_impl_closeout.pth"
    write_files(folder, {path_file.name: b"x"})
    environments._point_relatively(tmp_path / "environment", HOME)  # noqa: SLF001 - what it writes
    source, line = path_file.read_text().splitlines()
    assert (folder / source).samefile(HOME / "src")
    write_files(tmp_path / "bin", {door: line.encode() + b"\n" + STOPS})
    done = _ended([sys.executable, tmp_path / "bin" / door], tmp_path)
    assert done.returncode == (-signal.SIGINT if door == "pytest" else ExitCode.INTERRUPTED)
    assert ("Traceback" in done.stderr) == (door == "pytest")


def test_environment_beside_an_older_commit_starts_without_a_word(tmp_path: Path) -> None:
    """The module that its first line asks for is not there yet."""
    write_files(tmp_path, {"closeout/__init__.py": b"", "closeout/cli/__init__.py": b""})
    line = environments._EARLY  # noqa: SLF001 - what is written
    done = _ended([sys.executable, "-c", line], tmp_path, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def _interrupted() -> Iterator[None]:
    raise KeyboardInterrupt
    yield


@pytest.mark.parametrize("moment", ["before", "after"])
def test_interrupt_around_the_action_has_the_code_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Between the handler and the action, or while its end is told."""
    if moment == "before":
        monkeypatch.setattr(error_handler.progress, "shown", _interrupted)
    else:
        monkeypatch.setattr(error_handler.output, "finish", lambda *_: _interrupted().__enter__())
    code = error_handler.guarded(tmp_path, lambda: ExitCode.SETTLED)
    assert code is ExitCode.INTERRUPTED


def test_handler_of_somebody_else_is_left_alone() -> None:
    """As nohup wants it, and as a program that uses the library does."""
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        early.quiet()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        early.quiet_door()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        early.quiet()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        early.handed_over()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


SHADOWS = ("argparse", "cryptography", "difflib", "jinja2", "msgspec", "psycopg", "sqlglot", "yaml")
"""Modules that a command loads, as a monorepo may call its own."""


def _foreign(folder: Path) -> Path:
    modules = {f"{name}.py": LEAVES_A_MARK for name in SHADOWS}
    return write_files(folder, {**modules, "cloud-layer/a.py": b""})


def _ran(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.rglob("*.ran"))


@pytest.mark.parametrize("door", ["closeout", "-m"])
def test_command_in_a_monorepo_loads_none_of_its_modules(tmp_path: Path, door: str) -> None:
    """Not even those that are called as ours are."""
    root = _foreign(tmp_path / "root")
    program = [sys.executable, "-m", "closeout"] if door == "-m" else [PROGRAMS / "closeout"]
    done = _ended([*program, "init", "--root", "."], root)
    assert (done.returncode, _ran(root)) == (ExitCode.SETTLED, []), done.stderr
    assert (root / "tasks.py").exists()
    done = _ended([*program, "gate", "mqtt", "--root", "."], root)
    assert _ran(root) == []
    assert "a module of the tree" not in done.stderr


def test_tasks_of_an_adopted_monorepo_load_none_of_its_modules(tmp_path: Path) -> None:
    """Invoke looks into their folder first."""
    root = _foreign(tmp_path / "root")
    assert init.adopt(str(root)) is ExitCode.SETTLED
    done = _ended([PROGRAMS / "invoke", "detect.all"], root, CLOSEOUT_CACHE=str(tmp_path / "c"))
    assert "0 places open" in done.stdout, done.stderr
    assert _ran(root) == []


def test_sessions_of_an_adopted_monorepo_start_without_its_folder(tmp_path: Path) -> None:
    """Every Python that they start is told so."""
    init.adopt(str(tmp_path))
    sessions = (tmp_path / "noxfile.py").read_text()
    assert sessions.count('"python", "-P", "-m"') == sessions.count('"-m"') == 2
