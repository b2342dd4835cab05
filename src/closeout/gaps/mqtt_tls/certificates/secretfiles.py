"""Write key and certificate files: their final mode from the first byte, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closeout.errors import CloseoutError

_DRAFT = re.compile(r"\.[^/]+\.[0-9a-f]{8}")
_STAGE = ".stage"


class Pen:
    """Writes to the disk; what it replaces, it replaces atomically."""

    def private(self, path: Path, content: bytes) -> None:
        """Write a secret that its owner alone may read."""
        _replace(path, content, 0o600)

    def public(self, path: Path, content: bytes) -> None:
        """Write a file that anyone may read."""
        _replace(path, content, 0o644)

    def folder(self, path: Path, mode: int) -> None:
        """Make the folder with this mode, and its parents.

        Raises CloseoutError behind a symbolic link and without the right to write.
        """
        _refuse_links(path)
        try:
            for place in reversed([path, *path.parents]):
                if not place.is_dir():
                    made = mode if place == path else 0o755
                    place.mkdir(mode=made)
                    place.chmod(made)  # whatever the umask
        except OSError as error:
            raise _unwritable(path, error) from error

    def move(self, source: Path, target: Path) -> None:
        """Let `source` stand at `target`, in one step."""
        try:
            source.replace(target)
        except OSError as error:
            raise _unwritable(target, error) from error

    def drop(self, path: Path) -> None:
        """Remove the file where it is there."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Keep other runs out of `folder` for the block; clear away what a killed run left.

        Raises CloseoutError where another run is at work.
        """
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _lock(folder, handle)
            _clear(folder)
            yield
        finally:
            os.close(handle)


class Rehearsal(Pen):
    """Refuses what a pen refuses before it writes, and writes nothing."""

    def private(self, path: Path, content: bytes) -> None:
        """Leave the disk as it is."""

    def public(self, path: Path, content: bytes) -> None:
        """Leave the disk as it is."""

    def folder(self, path: Path, mode: int) -> None:
        """Raise CloseoutError behind a symbolic link, as writing would."""
        del mode
        _refuse_links(path)

    def move(self, source: Path, target: Path) -> None:
        """Leave the disk as it is."""

    def drop(self, path: Path) -> None:
        """Leave the disk as it is."""

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Let other runs be: nothing is written."""
        del folder
        yield


@contextmanager
def stage(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`, for its owner alone, and remove it afterwards."""
    place = folder / _STAGE
    pen = Pen()
    shutil.rmtree(place, ignore_errors=True)
    pen.folder(place, 0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _lock(folder: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CloseoutError(
            "certificates-busy",
            f"another run is writing {folder}.",
            hint="wait for it to end, then run this again.",
        ) from error


def _clear(folder: Path) -> None:
    shutil.rmtree(folder / _STAGE, ignore_errors=True)
    for part in ("authority", "broker", "clients"):
        place = folder / part
        if place.is_dir() and not place.is_symlink():
            for entry in os.scandir(place):
                if _DRAFT.fullmatch(entry.name):
                    Path(entry.path).unlink(missing_ok=True)


def _refuse_links(path: Path) -> None:
    if path.is_symlink() or path.parent.is_symlink():
        raise CloseoutError(
            "certificates-linked",
            f"{path} is a symbolic link: keys would be written elsewhere.",
            hint="replace the link by a folder.",
        )


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        handle = os.open(draft, flags, mode)
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(handle, mode)  # whatever the umask
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> CloseoutError:
    return CloseoutError(
        "certificates-unwritable",
        f"{path} cannot be written: {error.strerror}.",
        hint="free the disk or fix the folder's owner; what was there before is intact.",
    )
