"""One writer a tree: a lock in the tree itself, which ends with the process that holds it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.fs import json_reader
from closeout.fs.safe_open import open_folder, open_root
from closeout.fs.walk import JOURNAL
from closeout.process import stops

DOCUMENT = "journal.json"
"""In the folder JOURNAL: there while the tree is neither as before a run nor as after it."""
_LOCK = "lock"
_IGNORED = ".gitignore"
_TRIES = 1000
_MOST_TOLD = 4096


class Hold:
    """The right to write to one tree, and the handle of its top folder."""

    def __init__(self, root: Path, top: int) -> None:
        """Hold nothing yet of the tree at `root`."""
        self.root = root
        self.top = top
        self.handle: int | None = None
        self.refusal: OSError | None = None

    def assert_writable(self) -> None:
        """Raise CloseoutError("not-writable") where the tree's top folder takes no lock."""
        if self.refusal is not None:
            raise CloseoutError(
                "not-writable",
                f"{self.root} cannot be written: {self.refusal.strerror}.",
                hint="make the monorepo writable; nothing was written.",
            )

    def release(self) -> None:
        """Give the tree free, and leave nothing of ours in one that is whole."""
        if self.handle is not None:
            # The lock's file goes last: from then on the folder is another's.
            if not journalled(self.top):
                with suppress(OSError):
                    self._tidy()
            os.close(self.handle)
        os.close(self.top)

    def _tidy(self) -> None:
        folder = os.open(JOURNAL, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.top)
        try:
            for name in os.listdir(folder):  # noqa: PTH208 - below a handle
                if name != _LOCK:
                    _remove(folder, name)
            os.unlink(_LOCK, dir_fd=folder)
        finally:
            os.close(folder)
        os.rmdir(JOURNAL, dir_fd=self.top)


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(name, ignore_errors=True, dir_fd=folder)


_held: dict[Path, Hold] = {}


@contextmanager
def held(root: Path) -> Iterator[Hold]:
    """Keep every other writer out of the tree at `root` for the block.

    Raises CloseoutError("tree-busy") with who holds it. A tree that cannot be written to can be
    held all the same: `Hold.assert_writable` is for those who write.
    """
    place = root.resolve()
    if place in _held:
        yield _held[place]
        return
    hold = Hold(place, open_root(place))
    try:
        with stops.deferred():
            _take(hold)
            _held[place] = hold
        yield hold
    finally:
        with stops.deferred():
            _held.pop(place, None)
            hold.release()


def holder(top: int) -> str:
    """Return who is writing to a tree in words, empty where nobody is."""
    try:
        folder = open_folder(top, (JOURNAL,))
    except OSError:
        return ""
    try:
        handle = os.open(_LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return ""
    finally:
        os.close(folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _told(handle)
    finally:
        os.close(handle)
    return ""


def journalled(top: int) -> bool:
    """Return whether a run has said what it is about to write, and has not come to an end."""
    try:
        folder = open_folder(top, (JOURNAL,))
    except OSError:
        return False
    try:
        os.stat(DOCUMENT, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _take(hold: Hold) -> None:
    for _ in range(_TRIES):
        try:
            if not os.fstat(hold.top).st_mode & 0o222:  # root may write here; it must not
                raise PermissionError(errno.EACCES, "its folder is read-only")
            hold.handle = _locked(hold)
        except FileNotFoundError:  # the run before us has just taken its folder away
            continue
        except OSError as error:
            hold.refusal = error
            return
        if hold.handle is not None:
            return
    raise _busy(hold.root, "other runs, one after the other")


def _locked(hold: Hold) -> int | None:
    """Return a handle that holds the lock, None where it was taken away meanwhile."""
    with suppress(FileExistsError):
        os.mkdir(JOURNAL, 0o700, dir_fd=hold.top)
    folder = open_folder(hold.top, (JOURNAL,))
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(_LOCK, flags, 0o600, dir_fd=folder)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours, there = os.fstat(handle), os.stat(_LOCK, dir_fd=folder, follow_symlinks=False)
            if (ours.st_ino, ours.st_dev) != (there.st_ino, there.st_dev):
                os.close(handle)
                return None
            _introduce(handle, folder)
        except BlockingIOError:
            told = _told(handle)
            os.close(handle)
            raise _busy(hold.root, told) from None
        except BaseException:
            os.close(handle)
            raise
    finally:
        os.close(folder)
    return handle


def _introduce(handle: int, folder: int) -> None:
    """Say in the lock who holds it, and keep git from looking at our folder."""
    ours = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(ours).encode(), 0)
    ignored = os.open(_IGNORED, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        os.write(ignored, b"*\n")
    finally:
        os.close(ignored)


def _told(handle: int) -> str:
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "another run"
        who = json_reader.loads(os.pread(handle, _MOST_TOLD, 0))
        return (
            f"{ascii(who['command'])[1:-1]} (process {int(who['pid'])} on "
            f"{ascii(who['host'])[1:-1]}, since {ascii(who['started'])[1:-1]})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"


def _busy(root: Path, who: str) -> CloseoutError:
    return CloseoutError(
        "tree-busy",
        f"{root} is held by {who}.",
        hint="wait for it to end, or end it, then run this again; nothing was written.",
    )
