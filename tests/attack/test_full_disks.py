"""A disk that runs full at any step: unusable input, and the tree as before, by itself."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from closeout.fs.walk import JOURNAL
from closeout.runs.workspace import Workspace
from tests.attack import arena
from tests.attack.arena import Arena


@pytest.mark.parametrize("act", ["fix", "undo", "whole_fix"])
def test_full_disk_at_a_step_puts_everything_back(ring: Arena, act: str) -> None:
    """One step finds no room: of a scratch copy, the tree, its journal, or the run's folder."""
    ring.renew(fixed=act == "undo")
    wanted, other = ("after", "before") if act == "undo" else ("before", "after")
    command: arena.Act = getattr(ring, act)
    steps = arena.steps_of(command, ring.space, ring.folder)
    chance = arena.chance(5)
    whole = 0
    for _ in arena.rounds(6, 30):
        ring.renew(fixed=act == "undo")
        step = chance.randrange(steps)
        code = arena.start(command, ring.space, step, arena.fill_disk).wait()
        state = ring.state()
        if state == other:  # only what is tidied up, or marked, when all is written
            assert code in {*arena.DONE, arena.BUSY}, f"step {step} of {steps} ended {code}"
        else:
            assert (state, code) == (wanted, arena.BUSY), f"step {step} of {steps}"
            whole += 1
        assert not (ring.root / JOURNAL / "journal.json").exists()
    arena.told(f"full disks in {act}", rounds=len(arena.rounds(6, 30)), put_back=whole)


@contextmanager
def _disk(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def _used(root: Path) -> int:
    return sum(4 * -(-place.lstat().st_size // 4096) or 4 for place in root.rglob("*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk that is small")
def test_real_disk_of_scratch_copies_that_is_full_leaves_the_tree_as_it_was(
    ring: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patches are tried on one that holds less than they need, or nearly nothing."""
    chance = arena.chance(10)
    refused = 0
    for number in arena.rounds(3, 30):
        ring.renew()
        size = 4 * chance.randrange(2, 30) if number else 8  # the first holds nearly nothing
        with _disk(tmp_path / "scratch", size) as disk, monkeypatch.context() as patch:
            patch.setenv("TMPDIR", str(disk))
            patch.setattr(tempfile, "tempdir", None)
            # What an earlier plan left would need no trial.
            patch.setenv("CLOSEOUT_CACHE", str(tmp_path / f"cache-{number}"))
            code = arena.start(ring.whole_fix, ring.space).wait()
        assert (ring.state(), code) == ("before", arena.BUSY) or ring.state() == "after", size
        assert code in {*arena.DONE, arena.BUSY}, size
        refused += code == arena.BUSY
    arena.told("full disks of scratch", rounds=len(arena.rounds(3, 30)), refused=refused)
    assert refused or arena.is_short()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk that is small")
def test_real_disk_that_is_full_leaves_the_tree_as_it_was(ring: Arena, tmp_path: Path) -> None:
    """A few kilobytes are left, or nothing at all."""
    ring.renew()
    chance = arena.chance(6)
    used = _used(ring.root)
    refused = 0
    for number in arena.rounds(4, 30):
        home_is_full = bool(number % 2)
        size = chance.randrange(4, 4000) if home_is_full else used + chance.randrange(8, 400)
        with _disk(tmp_path / "disk", size) as disk:
            small = Arena(
                folder=tmp_path / "tree" if home_is_full else disk,
                before=ring.before,
                after=ring.after,
            )
            shutil.copytree(ring.root, small.root)
            home = disk / "home" if home_is_full else tmp_path / "home"
            space = Workspace(home=home, root=small.root, origin="attack")
            code = arena.start(ring.fix, space).wait()
            assert (small.state(), code) in {("before", arena.BUSY), ("after", 0)}, size
            refused += code == arena.BUSY
            for left in (tmp_path / "tree", tmp_path / "home"):
                shutil.rmtree(left, ignore_errors=True)
    arena.told("full disks, real ones", rounds=len(arena.rounds(4, 30)), refused=refused)
    assert refused or arena.is_short()
