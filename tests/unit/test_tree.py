"""The one reader of foreign files takes nothing on trust."""

import os
from pathlib import Path, PurePosixPath

import pytest

from closeout.engine import planner
from closeout.errors import CloseoutError
from closeout.fs.safe_open import clean_path
from closeout.fs.tree import SIZE_CAP, DiskTree, MemoryTree, Overlay, digest
from closeout.gaps import GAPS
from closeout.model import Edit
from tests.support.builders import write_files


@pytest.mark.parametrize("text", ["", "../a", "/a", "a/../b", "C:/a", "a\\b", "a\0b"])
def test_clean_path_refuses_what_could_leave_the_tree(text: str) -> None:
    """Only clean relative POSIX paths are read."""
    with pytest.raises(CloseoutError) as caught:
        clean_path(text)
    assert caught.value.reference == "unsafe-path"


def test_disk_tree_lists_files_sorted_without_installed_packages(tmp_path: Path) -> None:
    """Installed packages and version control are no sources."""
    write_files(tmp_path, {"b.py": b"", "a/c.py": b"", "node_modules/x.js": b"", ".git/HEAD": b""})
    assert DiskTree(tmp_path).paths() == (PurePosixPath("a/c.py"), PurePosixPath("b.py"))


def test_disk_tree_leaves_half_written_files_out(tmp_path: Path) -> None:
    """A leftover of an interrupted write is not part of the tree."""
    write_files(tmp_path, {"a.py": b"", ".a.py.closeout-tmp": b"half"})
    assert DiskTree(tmp_path).paths() == (PurePosixPath("a.py"),)


def test_disk_tree_reads_nothing_through_a_link(tmp_path: Path) -> None:
    """A link out of the tree, of a file or of a folder, is reported and not followed."""
    outside = write_files(tmp_path / "outside", {"secret": b"s"})
    root = write_files(tmp_path / "root", {"a.py": b""})
    (root / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    tree = DiskTree(root)
    assert tree.paths() == (PurePosixPath("a.py"),)
    assert tree.read("link") is None
    assert tree.read("folder/secret") is None
    assert {str(item.path) for item in tree.unreadable()} == {"link", "folder", "folder/secret"}


def test_disk_tree_tells_nothing_of_a_link_whose_target_it_walks(tmp_path: Path) -> None:
    """What it leads to is judged at its own place."""
    root = write_files(tmp_path / "root", {"real/a.py": b""})
    (root / "link").symlink_to("real")
    (root / "again.py").symlink_to("real/a.py")
    assert DiskTree(root).paths() == (PurePosixPath("real/a.py"),)
    assert DiskTree(root).unreadable() == ()


def test_disk_tree_does_not_hang_at_a_pipe(tmp_path: Path) -> None:
    """A FIFO is no regular file; opening it must not wait for a writer."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.py").write_bytes(b"")
    tree = DiskTree(tmp_path)
    assert tree.paths() == (PurePosixPath("a.py"),)
    assert tree.read("pipe") is None
    assert [item.detail for item in tree.unreadable()] == ["not a regular file"]


def test_disk_tree_refuses_a_huge_file(tmp_path: Path) -> None:
    """A file above the cap is reported, and its memory is never taken."""
    with (tmp_path / "big.bin").open("wb") as stream:
        stream.truncate(SIZE_CAP + 1)
    tree = DiskTree(tmp_path)
    assert tree.read("big.bin") is None
    assert "larger than" in tree.unreadable()[0].detail


def test_disk_tree_refuses_a_file_that_nobody_may_read(tmp_path: Path) -> None:
    """Permission bits count for root too."""
    write_files(tmp_path, {"a.py": b"x"})
    (tmp_path / "a.py").chmod(0)
    tree = DiskTree(tmp_path)
    assert tree.read("a.py") is None
    assert len(tree.unreadable()) == 1


@pytest.mark.parametrize("root", ["/", "~"])
def test_disk_tree_refuses_a_root_that_is_no_monorepo(root: str) -> None:
    """The machine's root and the home folder are never worked on."""
    with pytest.raises(CloseoutError) as caught:
        DiskTree(Path(root))
    assert caught.value.reference == "root-unsafe"


def test_disk_tree_refuses_a_missing_root(tmp_path: Path) -> None:
    """A typing mistake gets a clear error."""
    with pytest.raises(CloseoutError) as caught:
        DiskTree(tmp_path / "nowhere")
    assert caught.value.reference == "root-missing"


def test_overlay_shows_edits_and_keeps_the_base() -> None:
    """Edits lie over the tree, which stays as it was."""
    base = MemoryTree({"a": b"1"})
    overlay = Overlay(base)
    overlay.lay(Edit(path=PurePosixPath("a"), before=b"1", after=b"2"))
    overlay.lay(Edit(path=PurePosixPath("b"), before=None, after=b"3"))
    assert overlay.read("a") == b"2"
    assert base.read("a") == b"1"
    assert overlay.paths() == (PurePosixPath("a"), PurePosixPath("b"))


def test_overlay_forgets_an_edit_that_is_taken_back() -> None:
    """Net edits hold no change that undoes itself."""
    overlay = Overlay(MemoryTree({"a": b"1"}))
    overlay.lay(Edit(path=PurePosixPath("a"), before=b"1", after=b"2"))
    overlay.lay(Edit(path=PurePosixPath("a"), before=b"2", after=b"1"))
    assert overlay.edits == ()


def test_overlay_shows_a_removed_file_nowhere() -> None:
    """An empty file can be removed too, and what is taken back is no edit."""
    base = MemoryTree({"a/__init__.py": b"", "b.py": b"1"})
    path = PurePosixPath("a/__init__.py")
    overlay = Overlay(base, [Edit(path=path, before=b"", after=b"", removes=True)])
    assert overlay.read(path) is None
    assert overlay.paths() == overlay.ending(frozenset({".py"})) == (PurePosixPath("b.py"),)
    assert digest(overlay) == digest(MemoryTree({"b.py": b"1"}))
    overlay.lay(Edit(path=path, before=None, after=b""))
    assert overlay.edits == ()


def test_overlay_refuses_an_edit_of_other_bytes() -> None:
    """An edit made from a stale reading is a bug, not a merge."""
    overlay = Overlay(MemoryTree({"a": b"1"}))
    with pytest.raises(ValueError, match="stale edit"):
        overlay.lay(Edit(path=PurePosixPath("a"), before=b"0", after=b"2"))


def test_digest_changes_with_a_byte_and_not_with_a_certificate() -> None:
    """Evidence is bound to sources; making keys must not turn it stale."""
    plain = digest(MemoryTree({"a": b"1"}))
    assert digest(MemoryTree({"a": b"2"})) != plain
    assert digest(MemoryTree({"b": b"1"})) != plain
    assert digest(MemoryTree({"a": b"1", "x/certs/broker/server.crt": b"c"})) == plain
    assert digest(MemoryTree({"a": b"1", "x/certs/README.md": b"c"})) != plain


def test_data_with_the_name_of_a_source_is_told_and_latin_1_is_left_to_its_readers(
    tmp_path: Path,
) -> None:
    """Without a NUL byte too; no question would meet it, and it would count as clean."""
    (tmp_path / "service.yaml").write_bytes(b"\x93\x11kx\xff\x02 ports\x1a")
    (tmp_path / "plain.yaml").write_bytes("kind: Café\n".encode("latin-1"))
    (tmp_path / "form.py").write_bytes("x = 1\n\x0c\ny = '\x1b é'\n".encode())
    tree = DiskTree(tmp_path)
    planner.detect(GAPS, tree)
    assert [str(item.path) for item in tree.unreadable()] == ["service.yaml"]
