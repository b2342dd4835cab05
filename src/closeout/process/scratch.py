"""Make folders for a while, and remove what is left of them where a process was killed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev") / "shm"
_ROOM = 256 * 1024 * 1024
"""Bytes that have to be free in memory before anything is put there."""
_NAME = re.compile(r"closeout-.+-(\d{1,9})-[a-z0-9_]{8}")


@contextmanager
def folder(purpose: str, parent: Path | None = None, *, mode: int = 0o700) -> Iterator[Path]:
    """Yield an empty folder, by default for this user alone; it is removed with the block.

    It stands below `parent`, by default where the system wants such folders. What this user's
    killed processes left there is removed first, once a process.
    """
    place = parent or Path(tempfile.gettempdir())
    _swept(place)
    prefix = f"closeout-{purpose}-{os.getpid()}-"
    made = tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True)
    with made as name:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.fchmod(handle, mode)
            yield Path(name)
        finally:
            os.close(handle)


def in_memory() -> Path | None:
    """Return where folders are kept in memory; None where that is nowhere, or has little room.

    Many small files are made there several times as fast. What TMPDIR names goes before.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    held = os.statvfs(_MEMORY)
    return _MEMORY if held.f_bavail * held.f_frsize >= _ROOM else None


@cache
def _swept(place: Path) -> None:
    """Remove what nobody holds any more: its process is gone, and with it the lock."""
    try:
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # who makes a folder there is told
    try:
        for name in os.listdir(handle):  # noqa: PTH208 - what is removed below stands in this very folder
            found = _NAME.fullmatch(name)
            if found and not _is_alive(int(found[1])):
                _removed(name, handle)
    finally:
        os.close(handle)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _removed(name: str, place: int) -> None:
    """Remove a folder of this user's that stands in `place` itself, not behind a link."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
    except OSError:
        return  # a link, a file, another user's, or gone
    try:
        # Another container's process has a number of its own, but the same lock.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_uid == os.geteuid():
            shutil.rmtree(name, ignore_errors=True, dir_fd=place)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
