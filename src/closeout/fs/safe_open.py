"""Open a foreign file for reading without following one link on the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY)
"""Opens a folder for what is below it; only Linux knows a handle that cannot list it."""


def clean_path(text: str) -> PurePosixPath:
    """Return `text` as a relative POSIX path.

    Raises CloseoutError("unsafe-path") for `..`, absolute, drive, backslash and NUL paths.
    """
    path = PurePosixPath(text)
    unsafe = (
        not text
        or "\0" in text
        or "\\" in text
        or path.is_absolute()
        or ".." in path.parts
        or (len(text) > 1 and text[1] == ":")
    )
    if unsafe:
        raise CloseoutError(
            "unsafe-path",
            f"{text!r} is not a clean path inside the monorepo.",
            hint="use a relative path with forward slashes and without '..'.",
        )
    return path


def open_root(root: Path) -> int:
    """Open a tree's top folder: what is reached from its handle is in it, wherever it moves to."""
    return os.open(root, _FOLDER | os.O_DIRECTORY | os.O_NOFOLLOW)


@contextmanager
def opened(root: Path) -> Iterator[int]:
    """Yield the handle of a tree's top folder."""
    top = open_root(root)
    try:
        yield top
    finally:
        os.close(top)


def open_folder(top: int, parts: Iterable[str]) -> int:
    """Open the folder that `parts` lead to from the handle `top`, each from the one above it.

    No link is followed at any step, so a folder that is swapped for a link under our hands leads
    nowhere. A link on the way raises NotADirectoryError, as a file there does.
    """
    return _descended(os.dup(top), parts)


def _descended(above: int, parts: Iterable[str]) -> int:
    for part in parts:
        try:
            folder = os.open(part, _FOLDER | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
        above = folder
    return above


def open_below(root: Path, path: PurePosixPath) -> int:
    """Open the file for reading, as `open_folder` reaches its folder."""
    return _opened(_descended(open_root(root), path.parts[:-1]), path.name)


def open_from(top: int, path: PurePosixPath) -> int:
    """Open the file below the handle `top` for reading, following no link; a FIFO does not wait."""
    return _opened(open_folder(top, path.parts[:-1]), path.name)


def _opened(folder: int, name: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def drained(handle: int, cap: int) -> tuple[bytes | None, str | None]:
    """Return the bytes behind a handle, or why they are not read, and close it."""
    try:
        status = os.fstat(handle)
        trouble = unfit(status, cap)
        if trouble is not None:  # a folder cannot even be opened as a stream
            return None, trouble
        pieces = []
        most = status.st_size + 1  # in one piece, unless it grows meanwhile; and no memory to spare
        while cap and (piece := os.read(handle, min(cap, most))):
            pieces.append(piece)
            cap -= len(piece)
        return b"".join(pieces), None
    finally:
        os.close(handle)


def behind_link(root: Path, path: PurePosixPath) -> bool:
    """Return whether a folder on the way to `path` is a link."""
    return any((root / parent).is_symlink() for parent in path.parents if parent.parts)


def is_plain_name(name: str) -> bool:
    """Return whether a file's name can be shown, put in a patch and read back.

    Control characters, bytes that are no UTF-8, backslashes and drive letters can not.
    """
    return name.isprintable() and "\\" not in name and name[1:2] != ":"


def printable(path: PurePosixPath) -> PurePosixPath:
    """Return the path with everything escaped that a terminal or a report could stumble over."""
    return PurePosixPath(*(ascii(part)[1:-1] for part in path.parts))


def checked_root(root: Path) -> Path:
    """Return where `root` is; raises CloseoutError for a missing, unsafe or closed folder."""
    hint = "name the monorepo's top folder: --root DIR."
    resolved = root.expanduser().resolve()
    if not resolved.is_dir():
        raise CloseoutError("root-missing", f"{root} is not a folder.", hint=hint)
    if resolved == Path(resolved.anchor) or resolved == Path.home().resolve():
        raise CloseoutError("root-unsafe", f"{resolved} is not a monorepo's folder.", hint=hint)
    if not os.access(resolved, os.R_OK | os.X_OK):
        raise CloseoutError("root-unreadable", f"{resolved} cannot be read.", hint=hint)
    return resolved


def unfit(status: os.stat_result, cap: int) -> str | None:
    """Return why a file is not read, None where it is: `cap` is the most bytes it may have."""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if not status.st_mode & 0o444:  # root could read it; its owner says nobody should
        return "nobody may read it"
    if status.st_size > cap:
        return f"larger than {cap} bytes"
    return None
