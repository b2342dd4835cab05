"""A tree is written to all or nothing, by one command at a time, and every byte comes back."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import journal, lock, place, recovery, transaction, undo, writer
from closeout.fs.tree import SIZE_CAP, DiskTree, digest
from closeout.fs.walk import JOURNAL
from closeout.model import Edit
from tests.support.builders import snapshot, write_files

A = Edit(path=PurePosixPath("a.txt"), before=b"1\r\n", after=b"2\r\n", mode=0o640)
NEW = Edit(path=PurePosixPath("new/deep/b.sh"), before=None, after=b"#!\n", mode=0o755)
SECOND = Edit(path=PurePosixPath("z.txt"), before=b"z", after=b"zz")
LONG = "n" * 247 + ".txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small tree."""
    return write_files(tmp_path / "root", {"a.txt": b"1\r\n", "z.txt": b"z"})


def _failing(
    monkeypatch: pytest.MonkeyPatch, when: Callable[[PurePosixPath], bool], error: BaseException
) -> None:
    """Have a file refuse to be replaced."""
    honest = place.replace

    def replace(top: int, path: PurePosixPath) -> None:
        if when(path):
            raise error
        honest(top, path)

    monkeypatch.setattr(place, "replace", replace)


def _cut_off(root: Path, edits: list[Edit], kept: Path | None = None, run: str = "") -> None:
    """Leave the tree as a command does that is killed before it writes its last file."""
    child = os.fork()
    if child == 0:
        honest = place.replace

        def replace(top: int, path: PurePosixPath) -> None:
            if path == edits[-1].path:
                os._exit(9)
            honest(top, path)

        place.replace = replace
        transaction.commit(root, edits, kept=kept, run=run)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_commit_writes_bytes_and_modes_and_leaves_nothing_of_ours(root: Path) -> None:
    """A new file has its mode from the start, an edited one the mode it is given."""
    transaction.commit(root, [A, NEW])
    assert snapshot(root) == {
        "a.txt": (b"2\r\n", 0o640),
        "new/deep/b.sh": (b"#!\n", 0o755),
        "z.txt": (b"z", 0o644),
    }


def test_commit_writes_nothing_when_one_file_changed_meanwhile(root: Path, tmp_path: Path) -> None:
    """Nothing written means no journal: the next command is not in its way."""
    (root / "a.txt").write_bytes(b"other")
    before = snapshot(root)
    with pytest.raises(transaction.ChangedError) as caught:
        transaction.commit(root, [NEW, A], kept=tmp_path / "undo")
    assert caught.value.path == A.path
    assert snapshot(root) == before
    assert not journal.is_undoable(tmp_path / "undo")


@pytest.mark.parametrize("first", [A, NEW], ids=["edited", "new"])
def test_edit_between_two_replaces_is_kept_and_everything_else_put_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Edit
) -> None:
    """Each file is looked at right before it is replaced."""
    before = snapshot(root)

    def edit(path: PurePosixPath) -> bool:
        if path == first.path:
            (root / "z.txt").write_bytes(b"mine")
        return False

    _failing(monkeypatch, edit, OSError())
    with pytest.raises(transaction.ChangedError) as caught:
        transaction.commit(root, [first, SECOND], kept=tmp_path / "undo")
    assert caught.value.path == SECOND.path
    assert snapshot(root) == {**before, "z.txt": (b"mine", 0o644)}
    assert not journal.is_undoable(tmp_path / "undo")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPERM, errno.EBUSY, errno.EROFS])
def test_any_refusal_of_the_system_puts_everything_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full disk, an immutable file, a mount point: unusable input, and the tree as before."""
    before = snapshot(root)
    _failing(monkeypatch, lambda path: path == SECOND.path, OSError(number, "no"))
    with pytest.raises(CloseoutError) as caught:
        transaction.commit(root, [A, NEW, SECOND], kept=tmp_path / "undo")
    assert (caught.value.reference, caught.value.exit_code) == ("not-writable", 2)
    assert snapshot(root) == before
    assert not (root / "new").exists()
    assert not journal.is_undoable(tmp_path / "undo")


def test_what_cannot_be_put_back_now_is_with_the_next_command(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree says that it is half-written until then, wherever it is moved to."""
    before = snapshot(root)
    done: list[PurePosixPath] = []

    def refuses(path: PurePosixPath) -> bool:
        done.append(path)
        return len(done) > 1

    with monkeypatch.context() as patch:
        _failing(patch, refuses, OSError(errno.EPERM, "no"))
        with pytest.raises(recovery.HalfWrittenError):
            transaction.commit(root, [A, SECOND])
    moved = root.rename(root.with_name("moved"))
    with pytest.raises(recovery.HalfWrittenError):
        recovery.assert_whole(moved)
    with pytest.raises(recovery.HalfWrittenError):
        transaction.commit(moved, [NEW])
    assert recovery.recover(moved) is not None
    assert snapshot(moved) == before


def test_long_name_is_written_and_put_back(tmp_path: Path) -> None:
    """The longest name that a file may have leaves no room for a suffix."""
    root = write_files(tmp_path / "root", {LONG: b"1"})
    edit = Edit(path=PurePosixPath(LONG), before=b"1", after=b"2")
    transaction.commit(root, [edit], kept=tmp_path / "undo")
    assert snapshot(root) == {LONG: (b"2", 0o644)}
    undo.undo(tmp_path / "undo", root)
    assert snapshot(root) == {LONG: (b"1", 0o644)}
    writer.durable_write(tmp_path / LONG, b"of ours")


@pytest.mark.parametrize("signal_at", [0, 1])
def test_interrupt_puts_everything_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal_at: int
) -> None:
    """A signal in the middle waits for the file that is being written, and then for the others."""
    before = snapshot(root)
    done: list[PurePosixPath] = []

    def interrupt(path: PurePosixPath) -> bool:
        done.append(path)
        if len(done) == signal_at + 1:
            os.kill(os.getpid(), 15)
        return False

    _failing(monkeypatch, interrupt, OSError())
    with pytest.raises(KeyboardInterrupt):
        transaction.commit(root, [A, SECOND, NEW], kept=tmp_path / "undo")
    assert snapshot(root) == before
    assert not journal.is_undoable(tmp_path / "undo")


def test_killed_commit_is_put_back_from_the_tree_alone(root: Path) -> None:
    """No run's folder is needed: the tree may be met from another home."""
    before = snapshot(root)
    _cut_off(root, [A, NEW, SECOND])
    assert recovery.cut_off(root) == "a command was cut off"
    found = recovery.recover(root)
    assert found is not None
    assert found.restored == (A.path, NEW.path)
    assert snapshot(root) == before
    assert recovery.recover(root) is None


def test_half_written_tree_has_the_digest_of_its_own_files(root: Path) -> None:
    """What a transaction keeps in the tree is none of the tree's files, and git ignores it."""
    _cut_off(root, [SECOND])
    (root / JOURNAL / "journal.json").unlink()
    (root / JOURNAL / "stray").write_text("x")
    mine = {path for path in DiskTree(root).paths() if JOURNAL in path.parts}
    assert not mine
    assert (root / JOURNAL / ".gitignore").read_text() == "*\n"
    held = digest(DiskTree(root))
    assert recovery.recover(root) is None
    assert not (root / JOURNAL).exists()
    assert held == digest(DiskTree(root))


def test_recovery_leaves_what_somebody_edited_meanwhile(root: Path) -> None:
    """The rest is put back, and the edit is told with the bytes from before it."""
    _cut_off(root, [A, NEW, SECOND])
    (root / "a.txt").write_bytes(b"mine")
    found = recovery.recover(root)
    assert found is not None
    assert found.left == {A.path: b"1\r\n"}
    assert (root / "a.txt").read_bytes() == b"mine"
    assert not (root / "new").exists()


def test_second_writer_is_told_who_holds_the_tree(root: Path) -> None:
    """Its process, host, time and command."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with lock.held(root):
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os._exit(0)
    os.read(ready[0], 1)
    try:
        with pytest.raises(CloseoutError) as caught:
            transaction.commit(root, [A])
    finally:
        os.write(go[1], b"x")
        os.waitpid(child, 0)
    assert caught.value.reference == "tree-busy"
    assert f"(process {child} on {os.uname().nodename}, since 2" in caught.value.message
    transaction.commit(root, [A])


def test_lock_of_a_dead_process_is_taken_over(root: Path) -> None:
    """A lock is held by a process, not by a file."""
    child = os.fork()
    if child == 0:
        lock._take(lock.Hold(root, os.open(root, os.O_RDONLY)))  # noqa: SLF001 - never given free
        os._exit(9)
    os.waitpid(child, 0)
    assert (root / JOURNAL / "lock").exists()
    transaction.commit(root, [A])
    assert not (root / JOURNAL).exists()


@pytest.mark.parametrize("way", ["folder", "file"])
def test_nothing_is_written_through_a_link(tmp_path: Path, root: Path, way: str) -> None:
    """A link out of the tree is refused, whatever it stands for."""
    outside = write_files(tmp_path / "outside", {"a.txt": b"1\r\n"})
    if way == "folder":
        (root / "new").symlink_to(outside)
        edit = NEW
    else:
        (root / "a.txt").unlink()
        (root / "a.txt").symlink_to(outside / "a.txt")
        edit = A
    before = snapshot(outside)
    assert "link" in transaction.troubles(root, [edit])[edit.path]
    with pytest.raises(transaction.ChangedError):
        transaction.commit(root, [edit])
    assert snapshot(outside) == before


def test_undo_deletes_nothing_through_a_link(tmp_path: Path, root: Path) -> None:
    """Somebody moved a folder elsewhere and left a link to it."""
    transaction.commit(root, [NEW, SECOND], kept=tmp_path / "undo")
    outside = (root / "new").rename(tmp_path / "outside")
    (root / "new").symlink_to(outside)
    before = snapshot(outside)
    with pytest.raises(CloseoutError) as caught:
        undo.undo(tmp_path / "undo", root)
    assert caught.value.reference == "edited-since"
    assert snapshot(outside) == before
    assert (root / "z.txt").read_bytes() == b"zz"


def _closed(place: Path) -> None:
    place.write_bytes(b"x")
    place.chmod(0)


def _large(place: Path) -> None:
    with place.open("wb") as stream:
        stream.truncate(SIZE_CAP + 1)


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (_closed, "nobody may read it"),
        (_large, "larger than"),
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (Path.touch, "it changed while the plan was made"),
    ],
)
def test_what_stands_where_a_new_file_is_planned_is_not_taken_for_absent(
    root: Path, plant: Callable[[Path], None], why: str
) -> None:
    """It is refused with the reason, and kept."""
    (root / "new/deep").mkdir(parents=True)
    plant(root / NEW.path)
    assert why in transaction.troubles(root, [NEW])[NEW.path]


def test_hard_links_are_refused(root: Path, tmp_path: Path) -> None:
    """A replaced file would part from its other names without a word."""
    os.link(root / "a.txt", tmp_path / "other")
    assert "2 names share it" in transaction.troubles(root, [A])[A.path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_mode_and_attributes_of_a_file_are_kept(root: Path, tmp_path: Path) -> None:
    """Root may mend a tree for its owner; new files are the owner's too."""
    for held in (root, root / "a.txt"):
        os.chown(held, 1234, 1235)
    os.setxattr(root / "a.txt", "user.note", b"keep")
    (root / "a.txt").chmod(0o2640)
    transaction.commit(root, [A, NEW], kept=tmp_path / "undo")

    def seen(name: str) -> tuple[int, int]:
        status = (root / name).stat()
        return status.st_uid, status.st_gid

    assert seen("a.txt") == seen("new/deep/b.sh") == seen("new/deep") == (1234, 1235)
    assert os.getxattr(root / "a.txt", "user.note") == b"keep"
    assert (root / "a.txt").stat().st_mode & 0o7777 == 0o2640
    undo.undo(tmp_path / "undo", root)
    assert seen("a.txt") == (1234, 1235)
    assert os.getxattr(root / "a.txt", "user.note") == b"keep"
    assert (root / "a.txt").stat().st_mode & 0o7777 == 0o2640


def test_undo_restores_every_byte_mode_and_folder(root: Path, tmp_path: Path) -> None:
    """After an undo the tree is as before the run, new folders included."""
    (root / "a.txt").chmod(0o600)
    before = snapshot(root)
    transaction.commit(root, [A, NEW], kept=tmp_path / "undo")
    done = undo.undo(tmp_path / "undo", root)
    assert done == undo.Reverted(restored=(A.path, NEW.path))
    assert snapshot(root) == before
    assert not (root / "new").exists()


def test_removed_file_is_gone_and_comes_back(root: Path, tmp_path: Path) -> None:
    """An empty file as well; undo gives its bytes and its mode again."""
    (root / "empty.py").touch(0o600)
    before = snapshot(root)
    gone = [
        Edit(path=PurePosixPath("empty.py"), before=b"", after=b"", removes=True),
        Edit(path=A.path, before=A.before, after=b"", removes=True),
    ]
    transaction.commit(root, gone, kept=tmp_path / "undo")
    assert sorted(path.name for path in root.iterdir()) == ["z.txt"]
    undo.undo(tmp_path / "undo", root)
    assert snapshot(root) == before


def test_killed_removal_is_put_back(root: Path) -> None:
    """A command that is killed after it removed a file has removed nothing."""
    before = snapshot(root)
    _cut_off(root, [Edit(path=A.path, before=A.before, after=b"", removes=True), SECOND])
    assert not (root / "a.txt").exists()
    assert recovery.recover(root) is not None
    assert snapshot(root) == before


def test_undo_refuses_when_a_file_was_edited_since(root: Path, tmp_path: Path) -> None:
    """A person's later edit is never lost."""
    transaction.commit(root, [A, NEW], kept=tmp_path / "undo")
    (root / "a.txt").write_bytes(b"mine")
    with pytest.raises(CloseoutError) as caught:
        undo.undo(tmp_path / "undo", root)
    assert caught.value.reference == "edited-since"
    assert "--keep-edited" in caught.value.hint
    assert (root / "new/deep/b.sh").exists()


@pytest.mark.parametrize(
    ("mine", "left"),
    [(b"mine", {"a.txt"}), (b"source new/deep/b.sh # mine", {"a.txt", "new/deep/b.sh"})],
)
def test_undo_of_the_rest_leaves_an_edited_file_and_what_it_names(
    root: Path, tmp_path: Path, mine: bytes, left: set[str]
) -> None:
    """A person's edit goes on: what the run made for it goes with the edit alone."""
    before = snapshot(root)
    transaction.commit(root, [A, NEW, SECOND], kept=tmp_path / "undo")
    (root / "a.txt").write_bytes(mine)
    edited = snapshot(root)
    done = undo.undo(tmp_path / "undo", root, keeps_edited=True)
    assert {str(path) for path in done.left} == left
    assert snapshot(root) == before | {path: edited[path] for path in left}


def test_undo_that_is_refused_half_way_is_put_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run stands again, whole, and can be undone later."""
    transaction.commit(root, [NEW, A, SECOND], kept=tmp_path / "undo")
    fixed = snapshot(root)
    with monkeypatch.context() as patch:
        _failing(patch, lambda path: path == SECOND.path, OSError(errno.EPERM, "no"))
        with pytest.raises(CloseoutError):
            undo.undo(tmp_path / "undo", root)
    assert snapshot(root) == fixed
    undo.undo(tmp_path / "undo", root)
    assert sorted(snapshot(root)) == ["a.txt", "z.txt"]


def test_undo_store_is_for_its_owner_alone(root: Path, tmp_path: Path) -> None:
    """It holds what the tree held, secrets too."""
    transaction.commit(root, [A], kept=tmp_path / "undo")
    modes = {item.stat().st_mode & 0o777 for item in (tmp_path / "undo").rglob("*")}
    assert modes == {0o600, 0o700}
    assert (tmp_path / "undo").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("path", [".git/hooks/post-checkout", "x/.GIT/config", ".", JOURNAL])
def test_journal_that_names_what_no_run_writes_is_refused(
    root: Path, tmp_path: Path, path: str
) -> None:
    """What stands there is run by other programs."""
    transaction.commit(root, [A], kept=tmp_path / "undo")
    document = tmp_path / "undo/journal.json"
    tampered = json.loads(document.read_bytes())
    tampered["files"][0]["path"] = path
    document.write_text(json.dumps(tampered))
    with pytest.raises(CloseoutError) as caught:
        undo.undo(tmp_path / "undo", root)
    assert caught.value.reference == "journal-unusable"
    assert (root / "a.txt").read_bytes() == b"2\r\n"


def test_journal_never_gives_special_bits(root: Path, tmp_path: Path) -> None:
    """A tree that somebody else sent must not make a file run as its owner."""
    transaction.commit(root, [A], kept=tmp_path / "undo")
    document = tmp_path / "undo/journal.json"
    tampered = json.loads(document.read_bytes())
    tampered["files"][0]["before_mode"] = 0o4755
    document.write_text(json.dumps(tampered))
    undo.undo(tmp_path / "undo", root)
    assert (root / "a.txt").stat().st_mode & 0o7777 == 0o755


def test_read_only_tree_is_refused(root: Path) -> None:
    """A tree that nobody may write to is refused before anything is kept, root or not."""
    root.chmod(0o555)
    try:
        with pytest.raises(CloseoutError) as caught:
            transaction.commit(root, [A])
    finally:
        root.chmod(0o755)
    assert (caught.value.reference, caught.value.exit_code) == (
        "not-writable",
        ExitCode.UNUSABLE_INPUT,
    )
