"""The one atomic writer: a file is whole or absent, even after a power cut."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from closeout.fs.walk import TEMPORARY_SUFFIX
from closeout.model import Tree


def durable_write(place: Path, content: bytes, mode: int = 0o644) -> None:
    """Write one file of ours so that it is whole or absent, even after a power cut."""
    draft = f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"  # a name as long as any may be is no harm
    try:
        folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with new_file(folder, draft) as handle:
                filled(handle, content, mode)
            put(folder, draft, place.name)
        finally:
            drop(folder, draft)
            os.close(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error


@contextmanager
def new_file(folder: int, name: str) -> Iterator[int]:
    """Make a file that only its owner may read; yield a handle to write to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def filled(handle: int, content: bytes, mode: int) -> None:
    """Write all of the content, on the disk before this returns, and only then give its mode."""
    with os.fdopen(handle, "wb", closefd=False) as stream:
        stream.write(content)
    os.fchmod(handle, mode)
    os.fsync(handle)


def put(folder: int, draft: str, name: str) -> None:
    """Let a whole file stand under its name, in one step."""
    os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def drop(folder: int, name: str) -> None:
    """Remove a file where it is there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def room(folder: Path, size: int) -> Iterator[None]:
    """Hold space on the disk of `folder` for the block; raises OSError where there is none.

    It is free again when the block ends, however it does: for what must still fit afterwards.
    """
    with tempfile.TemporaryFile(dir=folder) as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        else:
            stream.write(bytes(size))
            stream.flush()
        yield


def copy_tree(tree: Tree, folder: Path) -> None:
    """Write every readable file of `tree` below `folder`, with its permission bits."""
    for path in tree.paths():
        content = tree.read(path)
        if content is not None:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(tree.mode(path) | 0o600)
