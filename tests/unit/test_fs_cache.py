"""What one run learns about files is used by the next only while the files are the same."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from closeout.cli.commands import detect, fix
from closeout.fs import cache, prefilter, tree, writer
from closeout.fs.safe_open import open_below
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.runs.workspace import REFERENCE, Workspace

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

SIGN = prefilter.question((".recalled",), lambda content: b"yes" in content)
AGO = 3600


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that are opened, in sequence."""
    seen: list[str] = []

    def counted(root: Path, path: PurePosixPath) -> int:
        seen.append(str(path))
        return open_below(root, path)

    monkeypatch.setattr(tree, "open_below", counted)
    return seen


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tree of two files that did not change for an hour."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a.recalled").write_bytes(b"yes")
    (folder / "b.recalled").write_bytes(b"not")
    # A file's ctime cannot be set, so the clock goes on instead.
    later = time.time_ns() + AGO * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    return folder


def found(root: Path, kept: Path) -> list[str]:
    """Return what a run finds that may use, and keeps, an earlier one's answers."""
    opened = DiskTree(root, kept)
    paths = [str(path) for path in opened.candidates(SIGN)]
    opened.keep()
    return paths


def test_unchanged_files_are_not_opened_again(
    root: Path, tmp_path: Path, opened: list[str]
) -> None:
    """A second run knows the answers without one file being opened."""
    assert found(root, tmp_path / "kept") == ["a.recalled"]
    assert opened == ["a.recalled", "b.recalled"]
    assert found(root, tmp_path / "kept") == ["a.recalled"]
    assert len(opened) == 2


def test_edit_of_the_same_size_and_time_is_seen(root: Path, tmp_path: Path) -> None:
    """Whoever sets a file's time back still changes its ctime."""
    assert found(root, tmp_path / "kept") == ["a.recalled"]
    place = root / "b.recalled"
    before = place.stat()
    place.write_bytes(b"yes")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.stat().st_mtime_ns == before.st_mtime_ns
    assert found(root, tmp_path / "kept") == ["a.recalled", "b.recalled"]


def test_file_that_just_changed_is_not_remembered(
    root: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change again within the same tick of the clock, which nothing would show."""
    now = (root / "b.recalled").stat().st_ctime_ns + 1
    monkeypatch.setattr(time, "time_ns", lambda: now)
    found(root, tmp_path / "kept")
    found(root, tmp_path / "kept")
    assert opened.count("b.recalled") == 2


def test_replaced_lost_and_closed_files_are_asked_again(root: Path, tmp_path: Path) -> None:
    """Another file under an old name, and one that may no longer be read, are noticed."""
    found(root, tmp_path / "kept")
    (tmp_path / "new").write_bytes(b"yes")
    (tmp_path / "new").replace(root / "b.recalled")
    (root / "a.recalled").chmod(0)
    opened = DiskTree(root, tmp_path / "kept")
    assert [str(path) for path in opened.candidates(SIGN)] == ["b.recalled"]
    assert [str(item.path) for item in opened.unreadable()] == ["a.recalled"]


@pytest.mark.parametrize("damage", [b"", b"\xff\x00", b"cut"])
def test_damaged_answers_are_not_used(root: Path, tmp_path: Path, damage: bytes) -> None:
    """Whatever does not have its own digest counts as nothing."""
    kept = tmp_path / "kept"
    found(root, kept)
    content = kept.read_bytes()
    kept.write_bytes(content[:-9] if damage == b"cut" else damage)
    assert found(root, kept) == ["a.recalled"]
    altered = bytearray(kept.read_bytes())
    altered[-4] ^= 1
    kept.write_bytes(altered)
    assert found(root, kept) == ["a.recalled"]


@pytest.mark.parametrize(
    "made", [[], {}, {"asked_by": [], "root": "", "files": {}}, {"files": {"a.recalled": 1}}]
)
def test_answers_of_others_are_not_used(root: Path, tmp_path: Path, made: object) -> None:
    """Another version of the code, another tree or another form counts as nothing."""
    body = json.dumps(made).encode()
    kept = tmp_path / "kept"
    kept.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert found(root, kept) == ["a.recalled"]


def test_answers_that_cannot_be_kept_change_nothing(root: Path, tmp_path: Path) -> None:
    """A place that cannot be written costs the next run its head start, nothing else."""
    (tmp_path / "file").touch()
    assert found(root, tmp_path / "file" / "kept") == ["a.recalled"]
    assert found(root, tmp_path / "file" / "kept") == ["a.recalled"]


def test_new_question_makes_old_answers_void(root: Path, tmp_path: Path, opened: list[str]) -> None:
    """What was kept has no answer to it, so files are read once more."""
    found(root, tmp_path / "kept")
    late = prefilter.question((".recalled",), lambda content: b"not" in content)
    again = DiskTree(root, tmp_path / "kept")
    assert [str(path) for path in again.candidates(late)] == ["b.recalled"]
    assert len(opened) == 4


def test_kept_answers_are_for_their_owner_alone_and_bounded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else reads which files there are, and the folder does not grow without end."""
    folder = tmp_path / "cache" / "deeper"
    for number in range(20):
        found(root, folder / f"{number:02d}.answers")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {place.stat().st_mode & 0o777 for place in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 16
    monkeypatch.setattr(cache, "_MOST_BYTES", 10)
    found(root, folder / "large.answers")
    assert not (folder / "large.answers").exists()


@pytest.mark.parametrize("change", ["others may write", "a link", "another owner"])
def test_answers_that_others_may_have_written_are_not_used(
    root: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Who could write the answers could hide a finding."""
    kept = tmp_path / "kept"
    found(root, kept)
    if change == "others may write":
        kept.chmod(0o620)
    elif change == "a link":
        kept.rename(tmp_path / "elsewhere")
        kept.symlink_to(tmp_path / "elsewhere")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
    found(root, kept)
    assert opened.count("b.recalled") == 2


def test_place_is_the_users_and_never_inside_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monorepo gets no file of ours, whatever the environment says."""
    root = tmp_path / "tree"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("CLOSEOUT_CACHE", str(root / "cache"))
    assert cache.place_of(root) is None
    monkeypatch.setenv("CLOSEOUT_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    place = cache.place_of(root)
    assert place is not None
    assert place.parent == tmp_path / ".cache" / "closeout"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.place_of(root) == tmp_path / "xdg" / "closeout" / place.name


def test_dry_run_reads_answers_and_writes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a command that may write keeps what it learnt, and what it says stays the same."""
    root = tmp_path / "tree"
    writer.copy_tree(DiskTree(REFERENCE), root)
    folder = tmp_path / "cache"
    monkeypatch.setenv("CLOSEOUT_CACHE", str(folder))
    later = time.time_ns() + AGO * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    space = Workspace(home=tmp_path / "home", root=root, origin="test")
    assert fix.show(space, GAPS) is not None
    bare = capsys.readouterr().out
    assert not folder.exists()
    detect.detect(space, GAPS)
    (kept,) = folder.iterdir()
    content = kept.read_bytes()
    assert b"FACTORY-SECRET" not in content
    capsys.readouterr()
    fix.show(space, GAPS)
    assert capsys.readouterr().out == bare
    assert kept.read_bytes() == content


def test_code_of_ours_counts_as_changed_where_a_file_did_and_not_where_python_compiled_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size and mtime are no excuse; the first run's bytecode costs the second run nothing."""

    def told() -> str:
        cache.ourselves.cache_clear()
        return cache.ourselves()

    module = tmp_path / "gaps" / "rule.py"
    module.parent.mkdir()
    module.write_text("SIGN = 1\n")
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path)
    first = told()
    (module.parent / "__pycache__").mkdir()
    (module.parent / "__pycache__" / "rule.pyc").write_bytes(b"code")
    assert told() == first
    before = module.stat()
    module.write_text("SIGN = 2\n")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told() != first
    cache.ourselves.cache_clear()


def test_what_no_walk_found_is_not_opened(root: Path, opened: list[str]) -> None:
    """Nothing stands there: what a walk passes by, and links, are asked for all the same."""
    (root / "node_modules").mkdir()
    (root / "node_modules" / "a.js").write_bytes(b"there")
    (root / "link").symlink_to("node_modules")
    asked = ["none", "none/below/it", "node_modules/a.js", "node_modules/none", "link/a.js"]
    read = DiskTree(root)
    assert [read.read(path) for path in asked] == [None, None, b"there", None, None]
    assert opened == ["node_modules/a.js", "node_modules/none", "link/a.js"]
    assert [str(item.path) for item in read.unreadable()] == ["link/a.js"]
