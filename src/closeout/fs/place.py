"""One file of a tree: look at it, stage what comes next beside it, let that stand in its place.

Every step goes from the tree's handle down, folder by folder, and follows no link.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from closeout.fs import writer
from closeout.fs.safe_open import drained, open_folder, open_from
from closeout.fs.tree import SIZE_CAP
from closeout.fs.walk import TEMPORARY_SUFFIX

_KEPT_BY_THE_SYSTEM = frozenset({"security.ima", "security.evm"})
"""Attributes that a kernel computes from the content."""
_SPECIAL = 0o7000


class RefusedError(Exception):
    """Why a file is not touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands at a place: bytes, status and extended attributes; all empty where nothing is."""

    content: bytes | None = None
    status: os.stat_result | None = None
    attributes: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def mode(self) -> int:
        """Return the permission bits, 0o644 where nothing is."""
        return self.status.st_mode & 0o7777 if self.status else 0o644

    @property
    def refusal(self) -> str:
        """Return why another file may not take this one's place, empty where it may."""
        status, user = self.status, os.geteuid()
        if status is None:
            return ""
        if status.st_nlink > 1:
            return f"{status.st_nlink} names share it (hard links), and a fix would part them"
        if user and status.st_uid != user:
            return "it belongs to another user, and would not after a fix"
        if user and status.st_gid not in {os.getegid(), *os.getgroups()}:
            return "it belongs to another group, and would not after a fix"
        return ""


def look(top: int, path: PurePosixPath) -> Standing:
    """Return what stands at `path`; raises RefusedError for what is no readable plain file."""
    try:
        handle = open_from(top, path)
    except FileNotFoundError:
        return Standing()
    except NotADirectoryError:
        raise RefusedError("it is behind a symbolic link, or a file is in its way") from None
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        raise RefusedError("it is a symbolic link" if is_link else str(error.strerror)) from None
    try:
        status, attributes = os.fstat(handle), _attributes(handle)
    except BaseException:
        os.close(handle)
        raise
    content, trouble = drained(handle, SIZE_CAP)
    if content is None:
        raise RefusedError(f"it cannot be read: {trouble}")
    return Standing(content=content, status=status, attributes=attributes)


def stage(top: int, path: PurePosixPath, content: bytes, mode: int, like: Standing) -> None:
    """Write what is to stand at `path` beside it, with owner and attributes of what stands there.

    Its folders are made. Special bits of the mode are only ever kept, never given.
    """
    folder = _made_folder(top, path)
    try:
        writer.drop(folder, _draft(path))
        with writer.new_file(folder, _draft(path)) as handle:
            _own(handle, folder, like)
            for name, value in like.attributes.items():
                _keep_attribute(handle, name, value)
            kept = like.mode & _SPECIAL if like.status else 0
            writer.filled(handle, content, mode & 0o777 | kept)
    finally:
        os.close(folder)


def replace(top: int, path: PurePosixPath) -> None:
    """Let what was staged stand at `path`."""
    folder = open_folder(top, path.parts[:-1])
    try:
        writer.put(folder, _draft(path), path.name)
    finally:
        os.close(folder)


def remove(top: int, path: PurePosixPath) -> None:
    """Remove the file at `path`."""
    folder = open_folder(top, path.parts[:-1])
    try:
        os.unlink(path.name, dir_fd=folder)
    finally:
        os.close(folder)


def discard(top: int, path: PurePosixPath) -> None:
    """Remove what was staged for `path`, where it is there."""
    with suppress(FileNotFoundError, NotADirectoryError):
        folder = open_folder(top, path.parts[:-1])
        try:
            writer.drop(folder, _draft(path))
        finally:
            os.close(folder)


def remove_folder(top: int, path: PurePosixPath) -> None:
    """Remove an empty folder; one that is gone, holds something or is a link is left as it is."""
    try:
        above = open_folder(top, path.parts[:-1])
        try:
            os.rmdir(path.name, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST}:
            raise


def missing_folders(top: int, path: PurePosixPath) -> list[PurePosixPath]:
    """Return the folders on the way to `path` that are not there."""
    missing = []
    for folder in path.parents:
        try:
            os.close(open_folder(top, folder.parts))
        except FileNotFoundError:
            missing.append(folder)
        else:
            break
    return missing


def closed_folder(top: int, path: PurePosixPath) -> str:
    """Return the nearest folder above `path` where it takes no new file, empty where it does."""
    parts = path.parts[: -1 - len(missing_folders(top, path))]
    folder = open_folder(top, parts)
    try:
        # Root may write to a folder that is read-only; it must not.
        closed = not os.fstat(folder).st_mode & 0o222
        closed = closed or not os.access(".", os.W_OK | os.X_OK, dir_fd=folder)
    finally:
        os.close(folder)
    return str(PurePosixPath(*parts)) if closed else ""


def _draft(path: PurePosixPath) -> str:
    """Return the name of what is staged for `path`: as long for every name, known after a kill."""
    return f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}{TEMPORARY_SUFFIX}"


def _made_folder(top: int, path: PurePosixPath) -> int:
    for folder in reversed(missing_folders(top, path)):
        above = open_folder(top, folder.parts[:-1])
        try:
            os.mkdir(folder.name, dir_fd=above)
            made = os.open(folder.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=above)
            try:
                _own(made, above, Standing())
            finally:
                os.close(made)
        finally:
            os.close(above)
    return open_folder(top, path.parts[:-1])


def _own(handle: int, folder: int, like: Standing) -> None:
    """Give a new file the owner of the one before it; root gives a first one its folder's."""
    wanted = like.status or (None if os.geteuid() else os.fstat(folder))
    ours = os.fstat(handle)
    if wanted and (ours.st_uid, ours.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.fchown(handle, wanted.st_uid, wanted.st_gid)


def _attributes(handle: int) -> dict[str, bytes]:
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = set(os.listxattr(handle)) - _KEPT_BY_THE_SYSTEM
        return {name: os.getxattr(handle, name) for name in names}
    except OSError:  # the file system has none
        return {}


def _keep_attribute(handle: int, name: str, value: bytes) -> None:
    if _attributes(handle).get(name) != value:
        os.setxattr(handle, name, value)
