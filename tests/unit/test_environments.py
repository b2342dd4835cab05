"""An environment is whole or made anew: killed, failed, moved, shared, read-only, oddly named."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from closeout.errors import CloseoutError, ExitCode
from closeout.harness import environments
from closeout.process import scratch
from tests.support import package_index
from tests.support.installer import copy_installer

SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin")
HOME = Path(__file__).resolve().parents[2]
_PIN = "one==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
_PROGRAM = """#!python
import os, sys
sys.stdout.reconfigure(encoding="utf-8")
print(os.getcwd(), *sys.argv[1:], sep="\\n")
"""
_BACKEND = """import pathlib, zipfile
def build_editable(folder, settings=None, metadata=None):
    info = "closeout-0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / "closeout-0-py3-none-any.whl", "w") as made:
        made.writestr("_editable_impl_closeout.pth", str(pathlib.Path("src").resolve()))
        made.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: closeout\\nVersion: 0\\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        made.writestr(f"{info}/RECORD", "")
        for name in ("invoke", "nox"):
            entry = zipfile.ZipInfo(f"closeout-0.data/scripts/{name}")
            entry.external_attr = 0o100755 << 16
            made.writestr(entry, PROGRAM)
    return "closeout-0-py3-none-any.whl"
"""
_PROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a pin file of one package, and name the index in a folder that has it."""
    file = tmp_path / "pins" / "one.txt"
    file.parent.mkdir()
    file.write_text(_PIN)
    index = tmp_path / "index"
    index.mkdir()
    package_index.build(index, [file], {"one==1.0": []})
    file.write_text(package_index.rewritten(file, index))
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return file


@pytest.fixture
def checkout(pins: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of checkouts that hold the real bootstrap.py and one pinned package."""

    def made(name: str, below: Path = tmp_path) -> Path:
        home = below / name
        copy_installer(home / "src" / "closeout")
        shutil.copy(HOME / "bootstrap.py", home)
        for folder in ("requirements", "reference"):
            (home / folder).mkdir()
        for file in ("closeout.txt", "build.txt"):
            shutil.copy(pins, home / "requirements" / file)
        (home / "pyproject.toml").write_text(_PROJECT)
        (home / "backend.py").write_text(_BACKEND + f"PROGRAM = {_PROGRAM!r}\n")
        return home

    return made


def _bootstrap(
    home: Path,
    *words: str,
    cwd: Path,
    python: str | None = None,
    user: int | None = None,
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python or sys.executable, home / "bootstrap.py", *words],
        cwd=cwd,
        env={**_plain(), **settings},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        user=user,
    )


def _plain() -> dict[str, str]:
    named = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {"PATH": os.defpath, **named}


def _is_three_lines(text: str, reference: str) -> bool:
    lines = [line for line in text.splitlines() if not line.startswith(("installing", "waiting"))]
    return len(lines) == 3 and lines[0] == f"error: {reference}" and lines[2].startswith("hint: ")


def test_environment_is_used_again_until_its_pins_or_its_place_change(
    pins: Path, tmp_path: Path
) -> None:
    """A copy at another path has scripts that name the first one: it is made anew there."""
    folder = tmp_path / "made"
    python = environments.made(folder, [pins])
    mark = folder / "mark"
    mark.touch()

    assert environments.made(folder, [pins]) == python
    assert mark.exists()
    moved = shutil.copytree(folder, tmp_path / "moved", symlinks=True)
    environments.made(moved, [pins])
    assert not (moved / "mark").exists()
    pins.write_text(pins.read_text() + "# changed\n")
    environments.made(folder, [pins])
    assert not mark.exists()


def test_failed_environment_is_not_taken_for_whole_when_pip_fails_then_works(
    pins: Path, tmp_path: Path
) -> None:
    """A hash that differs stops pip; the error says so, and the next call starts over."""
    folder, text = tmp_path / "made", pins.read_text()
    pins.write_text(_PIN)
    for _ in range(2):
        with pytest.raises(CloseoutError, match="not the pinned one") as caught:
            environments.made(folder, [pins])
        assert _is_three_lines(str(caught.value), "environment-failed")
        assert not environments.is_made(folder, [pins])
    pins.write_text(text)
    assert environments.made(folder, [pins]).exists()


def test_killed_remake_leaves_nothing_that_the_first_pins_would_take_for_whole(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp is gone before the first file is: going back to the old pins makes it anew."""
    folder, text = tmp_path / "made", pins.read_text()
    environments.made(folder, [pins])
    pins.write_text(text + "# newer\n")

    def killed(place: Path) -> None:
        raise KeyboardInterrupt(place)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            environments.made(folder, [pins])
    pins.write_text(text)

    assert not environments.is_made(folder, [pins])


@pytest.mark.parametrize(
    "told",
    [
        ("OSError: [Errno 28] No space left on device", "disk is full", "free some space"),
        ("NewConnectionError(...)", "index was not reached", "check the network"),
        ("ERROR: No matching distribution found for x", "no wheel of it", "3.11 to 3.14"),
        ("", "killed by signal 9", "run the command again"),
    ],
)
def test_failure_says_what_happened_and_what_to_do_when_the_installer_ends_badly(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: tuple[str, str, str]
) -> None:
    """Three lines, and no traceback of pip's."""
    said, meant, advice = told
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho {said!r} >&2\nkill -9 $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(CloseoutError, match=meant) as caught:
        environments.made(tmp_path / "made", [pins])

    assert advice in caught.value.hint
    assert len(str(caught.value).splitlines()) == 3
    assert caught.value.exit_code == ExitCode.UNUSABLE_INPUT


def test_python_that_a_pin_file_cannot_serve_is_told_with_the_reason(
    pins: Path, tmp_path: Path
) -> None:
    """The `.in` file says so, as dbt.in does of 3.14; one that is old enough is not stopped."""
    source = pins.with_suffix(".in")
    source.write_text("# needs Python < 3.11: one cannot be imported\none\n")
    with pytest.raises(CloseoutError, match="one cannot be imported") as caught:
        environments.made(tmp_path / "made", [pins])
    assert caught.value.reference == "python-too-new"
    assert len(str(caught.value).splitlines()) == 3
    assert "# needs Python < 3.14: " in (HOME / "requirements" / "dbt.in").read_text()

    source.write_text("# needs Python < 9.0: one cannot be imported\none\n")
    assert environments.made(tmp_path / "made", [pins]).exists()


def test_no_index_is_told_when_there_is_no_network(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that nobody listens on."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")

    with pytest.raises(CloseoutError, match=r"index was not reached|no wheel of it"):
        environments.made(tmp_path / "made", [pins])


def test_second_call_waits_and_uses_what_the_first_made(pins: Path, tmp_path: Path) -> None:
    """Two at once: one makes it, the other finds it whole."""
    folder = tmp_path / "made"
    code = (
        "import sys; from pathlib import Path; from closeout.harness import environments as e;"
        "e.made(Path(sys.argv[1]), [Path(sys.argv[2])])"
    )
    calls = [
        subprocess.Popen(
            [sys.executable, "-c", code, folder, pins], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [call.communicate(timeout=300)[1] for call in calls]

    assert [call.returncode for call in calls] == [0, 0], told
    assert sorted("waiting for another call" in text for text in told) == [False, True]
    assert environments.is_made(folder, [pins])


def test_lock_is_held_by_the_installer_when_its_caller_is_killed(
    pins: Path, tmp_path: Path
) -> None:
    """A pip that goes on alone must not write into what the next call makes."""
    slow, started = tmp_path / "python", tmp_path / "started"
    slow.write_text(f"#!/bin/sh\ntouch {started}\nsleep 2\n")
    slow.chmod(0o755)
    folder = tmp_path / "made"
    code = (
        "import sys; from pathlib import Path; from closeout.harness import environments as e;"
        f"sys.executable = {str(slow)!r}; e.made(Path(sys.argv[1]), [Path(sys.argv[2])])"
    )
    call = subprocess.Popen([sys.executable, "-c", code, folder, pins])
    while not started.exists():
        time.sleep(0.05)
    call.send_signal(signal.SIGKILL)
    call.wait()

    lock = os.open(folder, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)
    assert environments.made(folder, [pins]).exists()


@pytest.mark.parametrize("name", ["plain", "with spaces", "สวน 農場"])
def test_bootstrap_runs_the_checkouts_own_tasks_from_any_folder_in_the_c_locale(
    checkout: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    """Invoke is told where the tasks are; the current folder stays, for it may be the monorepo."""
    home = checkout(name)

    for _ in range(2):
        done = _bootstrap(home, "invoke", "fix.all", cwd=tmp_path, LC_ALL="C", LANG="C")
        wanted = [str(tmp_path), "--search-root", str(home), "fix.all"]
        assert (done.returncode, done.stdout.splitlines()) == (0, wanted), done.stderr
    told = _bootstrap(home, "nox", "-s", "dbt", "--", "--root", "farm", cwd=tmp_path, LC_ALL="C")
    assert told.stdout.splitlines()[-2:] == ["--root", str(tmp_path / "farm")]
    unknown = _bootstrap(home, "nothing", cwd=tmp_path)
    assert unknown.returncode == ExitCode.UNUSABLE_INPUT
    assert _is_three_lines(unknown.stderr, "command-unknown")


def test_bootstrap_makes_the_environment_anew_when_run_by_its_own_python(
    checkout: Callable[..., Path], tmp_path: Path
) -> None:
    """Somebody has .venv/bin on the path, and the pins change; what it holds is of no use then."""
    home = checkout("plain")
    pins = home / "requirements" / "closeout.txt"
    assert _bootstrap(home, "invoke", cwd=tmp_path).returncode == 0
    (packages,) = (home / ".venv").glob("lib/python*/site-packages")
    (packages / "virtualenv.py").touch()
    pins.write_text(pins.read_text() + "# newer\n")

    own = str(home / ".venv" / "bin" / "python")
    done = _bootstrap(home, "invoke", cwd=tmp_path, python=own)

    assert done.returncode == 0, done.stderr
    assert "installing" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not SYSTEM_PYTHON, reason="becomes an ordinary user")
def test_bootstrap_says_that_a_checkout_cannot_be_written(
    checkout: Callable[..., Path],
) -> None:
    """Exit code 2 and three lines, before an environment is made and where Nox would make one."""
    # The folders of pytest are for one user, and it takes them back when another run begins.
    with scratch.folder("checkout", mode=0o755) as place:
        home = checkout("plain", place)

        def called(*words: str, user: int | None = 65534) -> subprocess.CompletedProcess[str]:
            return _bootstrap(home, *words, cwd=Path("/"), python=SYSTEM_PYTHON, user=user)

        refused = called("invoke", "--list")
        assert refused.returncode == ExitCode.UNUSABLE_INPUT
        assert _is_three_lines(refused.stderr, "environment-not-writable"), refused.stderr
        assert called("invoke", user=None).returncode == 0
        assert called("invoke").returncode == 0
        session = called("nox")
        assert session.returncode == ExitCode.UNUSABLE_INPUT
        assert _is_three_lines(session.stderr, "checkout-read-only"), session.stderr


def test_clone_has_no_carriage_returns_when_git_would_write_them(tmp_path: Path) -> None:
    """Scripts start, and templates render the same bytes, in a clone with core.autocrlf."""
    subprocess.run(
        ["git", "-c", "core.autocrlf=true", "clone", "-q", HOME, tmp_path / "clone"], check=True
    )
    exact = ("reference", "patches", "suites")
    shutil.copy(HOME / ".gitattributes", tmp_path / "clone")

    changed = [
        str(place.relative_to(tmp_path / "clone"))
        for place in (tmp_path / "clone").rglob("*")
        if place.is_file() and ".git" not in place.parts and b"\r\n" in place.read_bytes()
    ]

    assert [path for path in changed if not path.startswith(exact)] == []
