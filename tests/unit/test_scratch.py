"""A scratch folder goes with its block, and that of a killed process with the next command."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.process import scratch

HOLDS = """
import os, sys, time
from pathlib import Path
from closeout.process import scratch
with scratch.folder("held", Path(sys.argv[1])) as folder:
    (folder / "below").mkdir()
    (folder / "below/file").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _afresh() -> None:
    """Have each test count as a process of its own."""
    scratch._swept.cache_clear()  # noqa: SLF001 - once a process


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Return another process and the folder that it holds."""
    argv = [sys.executable, "-c", HOLDS, tmp_path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def _made(place: Path) -> list[str]:
    with scratch.folder("mine", place) as mine:
        return sorted(item.name for item in place.iterdir() if item != mine)


def test_folder_is_for_this_user_alone_and_gone_after_the_block(tmp_path: Path) -> None:
    """Whatever the block does to it."""
    with scratch.folder("mine", tmp_path) as mine:
        assert mine.stat().st_mode & 0o777 == 0o700
        (mine / "x").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), scratch.folder("mine", tmp_path):
        raise KeyboardInterrupt
    with scratch.folder("mine", tmp_path, mode=0o711) as mine:
        assert mine.stat().st_mode & 0o777 == 0o711
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_process_goes_with_the_next(
    holder: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    """One that lives keeps its own."""
    process, folder = holder
    assert _made(tmp_path) == [folder.name]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "below/file").exists()
    scratch._swept.cache_clear()  # noqa: SLF001 - the next command
    assert _made(tmp_path) == []


def _dead() -> int:
    """Return the number of a process that is gone."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_what_is_not_such_a_folder_is_left_alone(tmp_path: Path) -> None:
    """Another name, a link to somebody's folder, a file."""
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    place = tmp_path / "place"
    place.mkdir()
    name = f"closeout-x-{_dead()}-abcd123"
    (place / f"{name}4").symlink_to(outside)
    (place / f"{name}5").write_text("x")
    for kept in (name, f"my-{name}6", "closeout-suites-0", "closeout-x-abcd1234"):
        (place / kept).mkdir()
    before = sorted(item.name for item in place.iterdir())
    assert _made(place) == before
    assert (outside / "kept").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
    """Their process may be one that we cannot see."""
    theirs = tmp_path / f"closeout-x-{_dead()}-abcd1234"
    theirs.mkdir()
    os.chown(theirs, 1234, 1234)
    assert _made(tmp_path) == [theirs.name]


def test_link_inside_such_a_folder_is_not_followed(tmp_path: Path) -> None:
    """It is removed, and what it leads to is not."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").write_text("x")
    left = tmp_path / f"closeout-x-{_dead()}-abcd1234"
    left.mkdir()
    (left / "link").symlink_to(tmp_path / "outside")
    assert _made(tmp_path) == ["outside"]
    assert (tmp_path / "outside/kept").exists()


def test_memory_is_used_where_it_has_room_and_no_other_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may have next to none, another system none at all."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(scratch, "_MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "_ROOM", 1)
    assert scratch.in_memory() == tmp_path
    monkeypatch.setattr(scratch, "_ROOM", 1 << 80)
    assert scratch.in_memory() is None
    monkeypatch.setattr(scratch, "_ROOM", 1)
    monkeypatch.setattr(scratch, "_MEMORY", tmp_path / "absent")
    assert scratch.in_memory() is None
    monkeypatch.setattr(scratch, "_MEMORY", tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    assert scratch.in_memory() is None
