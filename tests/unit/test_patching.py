"""Unified diffs are read with suspicion and applied byte for byte."""

import subprocess
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from closeout.errors import CloseoutError
from closeout.fs import patching
from closeout.fs.tree import MemoryTree, Overlay
from closeout.model import Edit

LINES = b"".join(b"line %d\n" % number for number in range(20))
FIXED = LINES.replace(b"line 10\n", b"line ten\n")
EDIT = Edit(path=PurePosixPath("a.txt"), before=LINES, after=FIXED)


def _patch(*edits: Edit) -> patching.Patch:
    return patching.read_patch("toy", "01-a.patch", patching.diff(edits), "prepared")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LINES, FIXED),
        (LINES.replace(b"\n", b"\r\n"), FIXED.replace(b"\n", b"\r\n")),
        (LINES[:-1], FIXED[:-1]),
        (b"\xef\xbb\xbf" + LINES, b"\xef\xbb\xbf" + FIXED),
        (LINES.replace(b"line 9\n", b"line 9  \n"), FIXED.replace(b"line 9\n", b"line 9  \n")),
        (None, b"new\r\nfile without end"),
    ],
    ids=["plain", "crlf", "no final newline", "bom", "trailing blanks", "new file"],
)
def test_diff_then_stage_gives_the_same_bytes(before: bytes | None, after: bytes) -> None:
    """Whatever the endings, a diff applies back to exactly the bytes it was made from."""
    edit = Edit(path=PurePosixPath("dir/a.txt"), before=before, after=after)
    tree = MemoryTree({} if before is None else {"dir/a.txt": before})
    patch = _patch(edit)
    assert [item.after for item in patching.stage(tree, patch)] == [after]


@pytest.mark.parametrize(
    "files",
    [
        {"a.txt": FIXED},
        {"a.txt": LINES.replace(b"line 9\n", b"line nine\n")},
        {"b": b""},
    ],
    ids=["applied already", "a neighbour line that changed", "no such file"],
)
def test_stage_refuses_a_patch_that_does_not_fit(files: dict[str, bytes]) -> None:
    """Nothing is applied twice, beside a changed line, or to a file that is not there."""
    with pytest.raises(CloseoutError) as caught:
        patching.stage(MemoryTree(files), _patch(EDIT))
    assert caught.value.reference == "patch-drifted"


def test_stage_names_file_line_and_next_step_when_drifted() -> None:
    """The refusal says what, where and what to do."""
    tree = MemoryTree({"a.txt": b"other\n"})
    with pytest.raises(CloseoutError) as caught:
        patching.stage(tree, _patch(EDIT))
    assert caught.value.reference == "patch-drifted"
    assert "a.txt (line 8)" in caught.value.message
    assert "invoke fix.toy --dry-run" in caught.value.hint


def test_stage_keeps_the_mode_of_a_new_script() -> None:
    """A script that a patch creates is executable."""
    edit = Edit(path=PurePosixPath("run.sh"), before=None, after=b"#!/bin/sh\n", mode=0o755)
    staged = patching.stage(MemoryTree({}), _patch(edit))
    assert [item.mode for item in staged] == [0o755]


@pytest.mark.parametrize(
    "diff",
    [
        b"diff --git a/../x b/../x\n--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n",
        b"diff --git a//etc/x b//etc/x\n--- a//etc/x\n+++ b//etc/x\n@@ -1 +1 @@\n-a\n+b\n",
        b"diff --git a/x b/y\nrename from x\nrename to y\n",
        b"diff --git a/x b/x\ndeleted file mode 100644\n",
        b"diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc\n",
        b"diff --git a/x b/x\nGIT binary patch\nliteral 0\n",
        b"no diff at all",
    ],
    ids=["dots", "absolute", "rename", "delete", "link", "binary", "prose"],
)
def test_read_patch_refuses_what_is_no_plain_edit(diff: bytes) -> None:
    """Paths out of the tree, links, deletions and binary data never get as far as git."""
    with pytest.raises(CloseoutError):
        patching.read_patch("toy", "01-x.patch", diff, "prepared")


def test_stage_never_consults_the_target_git_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile global configuration does not reach the staging."""
    config = tmp_path / ".gitconfig"
    config.write_text("[apply]\n  whitespace = error-all\n[core]\n  autocrlf = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    before = LINES.replace(b"\n", b"\r\n")
    edit = Edit(path=PurePosixPath("a"), before=before, after=before + b"x  \r\n")
    staged = patching.stage(MemoryTree({"a": before}), _patch(edit))
    assert staged[0].after == edit.after


def test_diff_is_the_same_every_time() -> None:
    """Prepared patches are reproducible, whatever the overlay they come from."""
    overlay = Overlay(MemoryTree({"a.txt": LINES}), [EDIT])
    assert patching.diff(overlay.edits) == patching.diff([EDIT])


def test_diff_shows_a_removed_file_and_no_prepared_patch_may_hold_one() -> None:
    """People see what goes; only what is derived from the tree itself removes anything."""
    path = PurePosixPath("dir/a.txt")
    diff = patching.diff([Edit(path=path, before=b"one\n", after=b"", removes=True)])
    assert diff.startswith(b"diff --git a/dir/a.txt b/dir/a.txt\ndeleted file mode 100644\n")
    assert b"\n--- a/dir/a.txt\n+++ /dev/null\n" in diff
    with pytest.raises(CloseoutError):
        patching.read_patch("toy", "01-a.patch", diff, "prepared")


ODD = ["b/z.txt", "b-c.txt", "b.txt", "with space/a b.txt", 'quo"ted.txt', "caf\u00e9/\u00fc.txt"]


def test_a_diff_is_what_git_says_of_two_folders_with_these_files(tmp_path: Path) -> None:
    """Order, quotes, blanks and modes of the heads are git's own, whatever the files are called."""
    old = dict.fromkeys(ODD[1:], LINES) | {"gone.txt": LINES, "raw.bin": b"\0" + LINES}
    new = dict.fromkeys(ODD, FIXED) | {"made.txt": LINES, "raw.bin": b"\0" + FIXED}
    for side, files in (("a", old), ("b", new)):
        for name, content in files.items():
            place = tmp_path / side / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    argv = ["git", "-c", "core.quotePath=false", "diff", "--no-index", "--no-prefix"]
    options = ["--full-index", "--no-renames", "--diff-algorithm=histogram", "a", "b"]
    said = subprocess.run([*argv, *options], cwd=tmp_path, capture_output=True, check=False).stdout
    for name in ("gone.txt", "made.txt", "b/z.txt"):  # git names the side that there is twice
        said = said.replace(f"--git a/{name} a/".encode(), f"--git a/{name} b/".encode())
        said = said.replace(f"--git b/{name} b/".encode(), f"--git a/{name} b/".encode())
    edits = [
        Edit(
            path=PurePosixPath(name),
            before=old.get(name),
            after=new.get(name, b""),
            removes=name not in new,
        )
        for name in {**new, **old}
    ]
    assert patching.diff(edits) == said


def test_many_diffs_at_once_are_what_each_is_alone() -> None:
    """Names that look like the folders of the groups, spaces, quotes, and more groups than ten."""
    named = [
        [
            Edit(path=PurePosixPath(name), before=before, after=b"--- a/0/x\n+++ b/1/x\n")
            for before in (None, b"old\n")
            for name in ((f"0/{number}.txt",) if before else (f"x a/{number}/y.txt",))
        ]
        for number in range(12)
    ]
    groups = [*named, [Edit(path=PurePosixPath('q"x'), before=b"1", after=b"1\n")], [EDIT]]
    assert patching.diffs(groups) == tuple(_alone(group) for group in groups)
    assert patching.diffs([]) == ()


def _alone(edits: list[Edit]) -> bytes:
    """Return git's own words about one group, by a repository of its own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        for edit in (item for item in edits if item.before is not None):
            _write(Path(folder) / edit.path, edit.before or b"")
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
        for edit in edits:
            _write(Path(folder) / edit.path, edit.after)
        subprocess.run(["git", "add", "-A", "-N"], cwd=folder, check=True)
        told = ["git", "-c", "core.quotePath=false", "diff", "--full-index", "--histogram"]
        return subprocess.run(told, cwd=folder, check=True, capture_output=True).stdout


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
