"""Write key and certificate files with their final mode, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.fs.walk import TEMPORARY_SUFFIX
from closeout.fs.writer import durable_write

_STAGE = ".stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Writes to the disk; what it replaces, it replaces atomically.

    One that rehearses refuses what another refuses before it writes, and writes nothing.
    """

    rehearses: bool = False

    def private(self, path: Path, content: bytes) -> None:
        """Write a secret that its owner alone may read."""
        self._write(path, content, 0o600)

    def public(self, path: Path, content: bytes) -> None:
        """Write a file that anyone may read."""
        self._write(path, content, 0o644)

    def _write(self, path: Path, content: bytes, mode: int) -> None:
        if not self.rehearses:
            with _writing(path):
                durable_write(path, content, mode)

    def folder(self, path: Path, mode: int) -> None:
        """Make the folder with this mode, and its parents.

        Raises CloseoutError behind a symbolic link and without the right to write.
        """
        if path.is_symlink() or path.parent.is_symlink():
            raise CloseoutError(
                "certificates-linked",
                f"{path} is a symbolic link: keys would be written elsewhere.",
                hint="replace the link by a folder.",
            )
        for place in () if self.rehearses else reversed([path, *path.parents]):
            if not place.is_dir():
                made = mode if place == path else 0o755
                with _writing(path):
                    place.mkdir(mode=made)
                    place.chmod(made)  # whatever the umask

    def move(self, source: Path, target: Path) -> None:
        """Let `source` stand at `target`, in one step."""
        if not self.rehearses:
            with _writing(target):
                source.replace(target)

    def drop(self, path: Path) -> None:
        """Remove the file where it is there."""
        if not self.rehearses:
            with _writing(path):
                path.unlink(missing_ok=True)

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Keep other runs out of `folder` for the block; clear away what a killed run left.

        Raises CloseoutError where another run is at work. A rehearsal lets other runs be.
        """
        if self.rehearses:
            yield
            return
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _lock(folder, handle)
            _clear(folder)
            yield
        finally:
            os.close(handle)


PEN = Pen()
REHEARSAL = Pen(rehearses=True)


@contextmanager
def stage(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`, for its owner alone, and remove it afterwards."""
    place = folder / _STAGE
    shutil.rmtree(place, ignore_errors=True)
    PEN.folder(place, 0o700)
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
                if entry.name.endswith(TEMPORARY_SUFFIX):
                    Path(entry.path).unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CloseoutError(
            "certificates-unwritable",
            f"{path} cannot be written: {error.strerror}.",
            hint="free the disk or fix the folder's owner; what was there before is intact.",
        ) from error
