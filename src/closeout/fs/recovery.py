"""Put back a tree whose writing was cut off: what can be, now; the rest, with the next command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import journal as journals
from closeout.fs import lock, place
from closeout.fs.journal import Journal, JournalEntry
from closeout.fs.lock import Hold
from closeout.fs.place import RefusedError
from closeout.fs.safe_open import opened
from closeout.fs.walk import JOURNAL
from closeout.process import stops


class HalfWrittenError(CloseoutError):
    """The tree is neither as before a command nor as after it, and cannot be put back now."""

    def __init__(self, root: Path, why: str, exit_code: ExitCode) -> None:
        """Name the tree and what is in the way."""
        super().__init__(
            "half-written",
            f"{root} is half-written: {why}.",
            hint=f"invoke fix.undo --root {root} puts it back, or says what it takes.",
            exit_code=exit_code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A transaction that was cut off and is put back, and the files that were edited since."""

    purpose: str
    run: str
    restored: tuple[PurePosixPath, ...]
    left: Mapping[PurePosixPath, bytes | None]
    """Files that hold neither what was nor what was to be, with their bytes from before."""


@dataclass(slots=True)
class _Tally:
    restored: list[PurePosixPath] = field(default_factory=list)
    left: dict[PurePosixPath, bytes | None] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def recover(root: Path) -> Recovered | None:
    """Put the tree back where a command was cut off while writing to it; None where it is whole.

    Raises HalfWrittenError where that cannot be done now.
    """
    with lock.held(root) as hold:
        if not lock.journalled(hold.top):
            return None
        hold.assert_writable()
        journal = journals.read(hold.top, JOURNAL, f"{root}/{JOURNAL}")
        with stops.deferred():
            return put_back(hold, journal)


def put_back(hold: Hold, journal: Journal, code: ExitCode = ExitCode.UNUSABLE_INPUT) -> Recovered:
    """Give every file its bytes and mode from before, and close the journal in the tree.

    A file that somebody edited is left as it is. Raises HalfWrittenError with `code` where a file
    cannot be written now: the journal stays, for the next command.
    """
    tally = _Tally()
    for entry in reversed(journal.files):
        try:
            _put_back(hold.top, entry, journal, tally)
        except OSError as error:
            tally.failed.append(f"{entry.path}: {error.strerror}")
    for folder in reversed(journal.folders):
        try:
            place.remove_folder(hold.top, folder)
        except OSError as error:
            tally.failed.append(f"{folder}: {error.strerror}")
    try:
        if not tally.failed:
            journals.close(hold.top, JOURNAL)
    except OSError as error:
        tally.failed.append(f"{JOURNAL}: {error.strerror}")
    if tally.failed:
        raise HalfWrittenError(hold.root, "; ".join(tally.failed[:3]), code)
    return Recovered(
        purpose=journal.purpose,
        run=journal.run,
        restored=tuple(reversed(tally.restored)),
        left=tally.left,
    )


def cut_off(root: Path) -> str:
    """Return in words why the tree is neither as before a command nor as after it.

    Empty where it is whole.
    """
    with opened(root) as top:
        if not lock.journalled(top):
            return ""
        who = lock.holder(top)
    return f"it is being written to by {who}" if who else "a command was cut off"


def assert_whole(root: Path) -> None:
    """Raise HalfWrittenError where a command was cut off while it wrote to the tree."""
    if why := cut_off(root):
        raise HalfWrittenError(root, why, ExitCode.GAPS_LEFT)


@contextmanager
def whole(root: Path) -> Iterator[None]:
    """Keep every other writer out of a tree that is whole, for the block.

    For what is written to a tree without a transaction: keys, and files that are rendered anew.
    Raises HalfWrittenError, and CloseoutError("tree-busy").
    """
    assert_whole(root)
    with lock.held(root):
        yield


def _put_back(top: int, entry: JournalEntry, journal: Journal, tally: _Tally) -> None:
    path, before = entry.path, entry.before
    content = journal.contents[before] if before else None
    place.discard(top, path)
    try:
        found = place.look(top, path)
    except RefusedError:
        tally.left[path] = content
        return
    sha = journals.sha256(found.content)
    if sha == before:
        return
    if sha != entry.after:
        tally.left[path] = content
        return
    if content is None:
        place.remove(top, path)
    else:
        place.stage(top, path, content, entry.before_mode, found)
        place.replace(top, path)
    tally.restored.append(path)
