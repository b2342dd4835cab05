"""The one writer never leaves half a file, and its journal brings back every byte."""

from pathlib import Path, PurePosixPath

import pytest

from closeout.errors import CloseoutError
from closeout.fs import writer
from closeout.model import Edit
from tests.support.builders import snapshot, write_files

A = Edit(path=PurePosixPath("a.txt"), before=b"1\r\n", after=b"2\r\n", mode=0o640)
NEW = Edit(path=PurePosixPath("new/deep/b.sh"), before=None, after=b"#!\n", mode=0o755)


def test_commit_writes_bytes_and_modes(tmp_path: Path) -> None:
    """A new file has its mode from the start, an edited one the mode it is given."""
    write_files(tmp_path, {"a.txt": b"1\r\n"})
    writer.commit(tmp_path, [A, NEW])
    assert snapshot(tmp_path) == {"a.txt": (b"2\r\n", 0o640), "new/deep/b.sh": (b"#!\n", 0o755)}


def test_commit_writes_nothing_when_one_file_changed_meanwhile(tmp_path: Path) -> None:
    """The precondition of every file is checked before the first is touched."""
    write_files(tmp_path, {"a.txt": b"other"})
    with pytest.raises(CloseoutError) as caught:
        writer.commit(tmp_path, [NEW, A])
    assert caught.value.reference == "file-changed"
    assert list(snapshot(tmp_path)) == ["a.txt"]


def test_commit_does_not_write_through_a_link(tmp_path: Path) -> None:
    """A folder that is a link out of the tree is refused."""
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "new").symlink_to(outside)
    with pytest.raises(CloseoutError) as caught:
        writer.commit(root, [NEW])
    assert caught.value.reference == "unsafe-path"
    assert snapshot(outside) == {}


def test_undo_restores_every_byte_mode_and_folder(tmp_path: Path) -> None:
    """After an undo the tree is as before the run, new folders included."""
    root = write_files(tmp_path / "root", {"a.txt": b"1\r\n"})
    (root / "a.txt").chmod(0o600)
    before = snapshot(root)
    writer.open_journal(tmp_path / "journal", root, [A, NEW])
    writer.commit(root, [A, NEW])
    restored = writer.undo(tmp_path / "journal", root)
    assert restored == (A.path, NEW.path)
    assert snapshot(root) == before
    assert not (root / "new").exists()


def test_undo_refuses_when_a_file_was_edited_since(tmp_path: Path) -> None:
    """A person's later edit is never lost."""
    root = write_files(tmp_path / "root", {"a.txt": b"1\r\n"})
    writer.open_journal(tmp_path / "journal", root, [A, NEW])
    writer.commit(root, [A, NEW])
    (root / "a.txt").write_bytes(b"mine")
    with pytest.raises(CloseoutError) as caught:
        writer.undo(tmp_path / "journal", root)
    assert caught.value.reference == "edited-since"
    assert (root / "new/deep/b.sh").exists()


def test_undo_removes_a_half_written_leftover(tmp_path: Path) -> None:
    """What a killed write left beside the file goes too."""
    root = write_files(tmp_path / "root", {"a.txt": b"1\r\n"})
    writer.open_journal(tmp_path / "journal", root, [A])
    (root / ".a.txt.closeout-tmp").write_bytes(b"ha")
    writer.undo(tmp_path / "journal", root)
    assert list(snapshot(root)) == ["a.txt"]


def test_assert_writable_refuses_a_read_only_folder(tmp_path: Path) -> None:
    """A tree that nobody may write to is refused before the journal is opened, root or not."""
    write_files(tmp_path, {"a.txt": b"1\r\n"})
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(CloseoutError) as caught:
            writer.assert_writable(tmp_path, [A])
    finally:
        tmp_path.chmod(0o755)
    assert caught.value.reference == "not-writable"
