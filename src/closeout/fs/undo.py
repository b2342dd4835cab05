"""Undo what a run wrote, from the journal that the run kept; this too is all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import journal as journals
from closeout.fs import place, transaction
from closeout.fs.journal import Journal, JournalEntry
from closeout.fs.place import RefusedError
from closeout.fs.safe_open import opened
from closeout.fs.transaction import FileChange
from closeout.process import stops

_Seen = Callable[[int, JournalEntry, Journal], FileChange | None]


def undo(kept: Path, root: Path, *, run: str = "") -> tuple[PurePosixPath, ...]:
    """Revert the run that kept a journal, and mark the journal, so that this happens once."""
    with stops.deferred() as due:
        restored = _revert(kept, root, run, due, _undoing)
        journals.mark_undone(kept)
    return restored


def abandon(kept: Path, root: Path, *, run: str = "") -> tuple[PurePosixPath, ...]:
    """Undo a run that did not come to its end; what was edited since is left as it is."""
    with stops.deferred() as due:
        restored = _revert(kept, root, run, due, _undoing_if_unedited)
        journals.mark_undone(kept)
    return restored


def revert(kept: Path, root: Path) -> tuple[PurePosixPath, ...]:
    """Put back under `root` the exact bytes and modes from before the run that kept a journal.

    Returns the restored paths. Raises CloseoutError("edited-since") before anything is written
    if a file holds neither the run's result nor what was there before it.
    """
    with stops.deferred() as due:
        return _revert(kept, root, "", due, _undoing)


def stands(kept: Path, root: Path, beneath: Sequence[Path] = ()) -> bool:
    """Return whether every file is as the run that kept a journal wrote it.

    What the runs that kept the journals `beneath`, newest first, wrote over it is thought away.
    """
    below = {entry.path: entry.before for other in beneath for entry in read_kept(other).files}
    with opened(root) as top, suppress(RefusedError, OSError):
        for entry in read_kept(kept).files:
            if entry.path not in below:
                below[entry.path] = journals.sha256(place.look(top, entry.path).content)
            if below[entry.path] != entry.after:
                return False
        return True
    return False


def read_kept(kept: Path) -> Journal:
    """Return the journal in a run's folder; raises CloseoutError("journal-unusable")."""
    with opened(kept.parent) as top:
        return journals.read(top, kept.name, f"run {kept.parent.name}")


def _revert(
    kept: Path, root: Path, run: str, due: stops.Due, seen_as: _Seen
) -> tuple[PurePosixPath, ...]:
    journal = read_kept(kept)
    with transaction.writing(root) as hold:
        seen = [seen_as(hold.top, entry, journal) for entry in journal.files]
        changes = [change for change in seen if change is not None]
        mine = transaction.journal_of(hold, changes, "undo", run, [])
        transaction.carry_out(hold, mine, changes, due, journal.folders)
    return tuple(change.path for change in changes)


def _undoing(top: int, entry: JournalEntry, journal: Journal) -> FileChange | None:
    try:
        found = place.look(top, entry.path)
    except RefusedError as error:
        raise _edited(entry.path, str(error)) from None
    sha = journals.sha256(found.content)
    if sha == entry.before:
        return None
    if sha != entry.after or found.refusal:
        raise _edited(entry.path, found.refusal or "it holds something else")
    after = journal.contents[entry.before] if entry.before else None
    return FileChange(path=entry.path, standing=found, after=after, mode=entry.before_mode)


def _undoing_if_unedited(top: int, entry: JournalEntry, journal: Journal) -> FileChange | None:
    try:
        return _undoing(top, entry, journal)
    except CloseoutError:
        return None


def _edited(path: PurePosixPath, why: str) -> CloseoutError:
    return CloseoutError(
        "edited-since",
        f"{path} was edited after the run that is to be undone: {why}.",
        hint="keep your edit elsewhere, restore the file, then undo again.",
        exit_code=ExitCode.GAPS_LEFT,
    )
