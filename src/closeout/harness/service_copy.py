"""Copy a service to where a runner may write, and disarm what hides code from its measure."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError
from closeout.fs import writer
from closeout.fs.tree import DiskTree, digest
from closeout.parsing import test_files

_PLACES = 6
"""Places kept, of about a megabyte each."""

TEST_FILE = re.compile(r"(\.test|\.spec)\.tsx?$|(^|/)test_[^/]*\.py$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCopy:
    """A copy of a service and the folder beside it that the runner writes to."""

    folder: Path
    output: Path
    kept: Path
    """Where the runner may keep what it has compiled."""

    def paths(self) -> Iterable[str]:
        """Return the copy's files, relative to it."""
        return (str(path) for path in DiskTree(self.folder).paths())

    def suites(self) -> dict[str, test_files.Suite]:
        """Return every test file as it reads."""
        found = {}
        for path in self.paths():
            if TEST_FILE.search(path):
                read = (
                    test_files.read_python if path.endswith(".py") else test_files.read_typescript
                )
                found[path] = read((self.folder / path).read_bytes())
        return found

    def written(self, name: str) -> bytes:
        """Return what the runner wrote to `name`; nothing where it did not."""
        place = self.output / name
        return place.read_bytes() if place.is_file() else b""

    def disarm(self, hint: re.Pattern[bytes], glob: str) -> int:
        """Spoil every comment that is a `hint` to the runner, in the copy; return how many.

        The pattern's first group is kept, the rest of the match is replaced.
        """
        count = 0
        for path in self.folder.glob(glob):
            content, found = hint.subn(rb"\1 seen", path.read_bytes())
            if found:
                path.write_bytes(content)
                count += found
        return count

    def shown(self, argv: Sequence[str | Path], names: Mapping[str, str]) -> str:
        """Return the command as a person would type it, without this machine's folders."""
        words = [str(word) for word in argv]
        return " ".join(names.get(word, self._short(word)) for word in words)

    def _short(self, word: str) -> str:
        return word.replace(str(self.output), "OUT").replace(str(self.kept), "KEPT")


def copy(root: Path, service: PurePosixPath, scratch: Path) -> ServiceCopy | None:
    """Return a copy of `service` below `scratch`; None where `root` has no such folder."""
    if not (root / service).is_dir():
        return None
    return _made(root / service, scratch, kept=scratch / f"{service.name}-kept")


@contextmanager
def steady_copy(root: Path, service: PurePosixPath, scratch: Path) -> Iterator[ServiceCopy | None]:
    """Yield a copy as `copy` does, for equal services at an equal place.

    There a runner finds again what it compiled of these very bytes. The place is left to whoever
    comes first; another run of the same service gets a copy below `scratch`. A suite that spoils
    what is kept gains nothing: it could do the same to the run it is in, and one changed byte of
    the service makes it another place.
    """
    if not (root / service).is_dir():
        yield None
        return
    place = _places() / f"{service.name}-{digest(DiskTree(root / service))[:32]}"
    with _taken(place) as is_ours:
        if not is_ours:
            yield copy(root, service, scratch)
            return
        _forget(place.parent, place)
        made = _made(root / service, place, kept=place / "kept")
        try:
            yield made
        finally:
            _removed(made)


def _made(service: Path, place: Path, *, kept: Path) -> ServiceCopy:
    made = ServiceCopy(
        folder=place / service.name, output=place / f"{service.name}-output", kept=kept
    )
    # Of a run that was killed.
    _removed(made)
    writer.copy_tree(DiskTree(service), made.folder)
    made.output.mkdir(parents=True)
    return made


def _removed(made: ServiceCopy) -> None:
    for folder in (made.folder, made.output):
        shutil.rmtree(folder, ignore_errors=True)


def _places() -> Path:
    """Return this user's folder for such places, away from any project's packages.

    Raises CloseoutError("place-unsafe") where somebody else could write to it.
    """
    folder = Path(tempfile.gettempdir()) / f"closeout-suites-{os.geteuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
        raise CloseoutError(
            "place-unsafe",
            f"{folder} is not a folder that only you may write to.",
            hint="remove it, or set TMPDIR to a folder of your own.",
        )
    return folder


@contextmanager
def _taken(place: Path) -> Iterator[bool]:
    """Hold the place for the block, if nobody else does; a lock ends with its process."""
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _forget(folder: Path, mine: Path) -> None:
    """Remove all places but the newest few that nobody holds."""
    mine.touch()
    by_age = sorted(folder.iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
    for place in by_age[_PLACES:]:
        with _taken(place) as is_ours:
            if is_ours:
                shutil.rmtree(place, ignore_errors=True)
