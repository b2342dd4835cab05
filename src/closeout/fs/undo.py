"""Undo what a run wrote, from the journal that the run kept; this too is all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import journal as journals
from closeout.fs import place, transaction
from closeout.fs.journal import Journal, JournalEntry
from closeout.fs.place import RefusedError
from closeout.fs.safe_open import opened
from closeout.fs.transaction import FileChange
from closeout.process import stops

_Seeing = Callable[[int, Journal], "_Seen"]
_NAMED_BY_FOLDER = frozenset({"__init__", "index"})
"""Modules that others import by the name of their folder."""

_DEEP = 3
"""More parts than these, and a file's folder is one of several within its service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """What was put back, and what was left because somebody edited it since."""

    restored: tuple[PurePosixPath, ...]
    left: tuple[PurePosixPath, ...] = ()
    """Files that were edited, then files of the run's own making that those name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    changes: tuple[FileChange, ...]
    left: tuple[PurePosixPath, ...] = ()


def undo(kept: Path, root: Path, *, run: str = "", keeps_edited: bool = False) -> Reverted:
    """Revert the run that kept a journal, and mark the journal, so that this happens once.

    Raises CloseoutError("edited-since") before anything is written if a file holds neither the
    run's result nor what was there before it, unless `keeps_edited` leaves those as they are.
    """
    with stops.deferred() as due:
        done = _revert(kept, root, run, due, _all_but_edited if keeps_edited else _all)
        journals.mark_undone(kept)
    return done


def abandon(kept: Path, root: Path, *, run: str = "") -> tuple[PurePosixPath, ...]:
    """Undo a run that did not come to its end; what was edited since is left as it is."""
    with stops.deferred() as due:
        done = _revert(kept, root, run, due, _all_but_edited)
        journals.mark_undone(kept)
    return done.restored


def revert(kept: Path, root: Path) -> Reverted:
    """Put back under `root` the bytes and modes from before the run that kept a journal.

    What was edited since has no earlier bytes that would fit the rest, and is left as it is.
    """
    with stops.deferred() as due:
        return _revert(kept, root, "", due, _all_but_edited)


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


def _revert(kept: Path, root: Path, run: str, due: stops.Due, see: _Seeing) -> Reverted:
    journal = read_kept(kept)
    with transaction.writing(root) as hold:
        seen = see(hold.top, journal)
        mine = transaction.journal_of(hold, seen.changes, "undo", run, [])
        transaction.carry_out(hold, mine, seen.changes, due, journal.folders)
    return Reverted(restored=tuple(change.path for change in seen.changes), left=seen.left)


def _all(top: int, journal: Journal) -> _Seen:
    found = (_undoing(top, entry, journal) for entry in journal.files)
    return _Seen(changes=tuple(change for change in found if change is not None))


def _all_but_edited(top: int, journal: Journal) -> _Seen:
    """See what can be put back: without it an edited file must not miss what it names."""
    changes: list[FileChange] = []
    left: list[PurePosixPath] = []
    for entry in journal.files:
        try:
            change = _undoing(top, entry, journal)
        except CloseoutError:
            left.append(entry.path)
            continue
        changes += [] if change is None else [change]
    for path in left:  # grows: what is left names others in its turn
        text = _text(top, path)
        near = path.parent.parent if len(path.parts) > _DEEP else path.parent
        named = [
            each
            for each in changes
            if each.after is None and each.path.is_relative_to(near) and _called(each.path) in text
        ]
        left += [each.path for each in named]
        changes = [each for each in changes if each not in named]
    return _Seen(changes=tuple(changes), left=tuple(left))


def _text(top: int, path: PurePosixPath) -> bytes:
    with suppress(RefusedError, OSError):
        return place.look(top, path).content or b""
    return b""


def _called(path: PurePosixPath) -> bytes:
    """Return what an import calls a module, or an image or a compose file any other file."""
    return (path.parent.name if path.stem in _NAMED_BY_FOLDER else path.stem).encode()


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


def _edited(path: PurePosixPath, why: str) -> CloseoutError:
    return CloseoutError(
        "edited-since",
        f"{path} was edited after the run that is to be undone: {why}.",
        hint="invoke fix.undo --keep-edited leaves it as it is, and puts back the rest.",
        exit_code=ExitCode.GAPS_LEFT,
    )
