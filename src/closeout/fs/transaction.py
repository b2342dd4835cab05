"""Write to a tree all or nothing: locked, recorded in it, put back on any end but success.

What is to be written, and every byte from before it, stands in the tree while it is written to.
Taking that journal away is the one step that makes the tree whole again (ADR 12).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import journal as journals
from closeout.fs import lock, place, recovery
from closeout.fs.journal import Journal, JournalEntry
from closeout.fs.lock import Hold
from closeout.fs.place import RefusedError, Standing
from closeout.fs.safe_open import opened
from closeout.fs.walk import JOURNAL
from closeout.model import Edit
from closeout.process import stops


class ChangedError(CloseoutError):
    """A file is not as it was when the plan was made, or may not be touched; nothing is written."""

    def __init__(self, path: PurePosixPath, why: str) -> None:
        """Name the file and what is the matter with it."""
        super().__init__(
            "file-changed",
            f"{path} is left as it is: {why}.",
            hint="run the command again; nothing was written.",
            exit_code=ExitCode.GAPS_LEFT,
        )
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file as it stands and as it is to be; None means absent."""

    path: PurePosixPath
    standing: Standing
    after: bytes | None
    mode: int

    @property
    def entry(self) -> JournalEntry:
        """Return what a journal keeps of it."""
        return JournalEntry(
            path=self.path,
            before=journals.sha256(self.standing.content),
            after=journals.sha256(self.after),
            before_mode=self.standing.mode if self.standing.status else self.mode,
            after_mode=self.mode,
        )


def troubles(root: Path, edits: Sequence[Edit]) -> Mapping[PurePosixPath, str]:
    """Return why edits cannot be written, by path; raises CloseoutError where none can be."""
    found = {}
    with lock.held(root) as hold:
        hold.assert_writable()
        for edit in edits:
            try:
                _standing(hold.top, edit.path, edit.before)
            except ChangedError as error:
                found[edit.path] = error.why
    return found


def commit(
    root: Path,
    edits: Sequence[Edit],
    *,
    purpose: str = "fix",
    run: str = "",
    kept: Path | None = None,
) -> None:
    """Write every edit below `root`, or none; `kept` is the run's folder for undo.

    Raises ChangedError for a file that no longer holds its `before` bytes, and
    CloseoutError("not-writable") where the system refuses; what was written is put back.
    """
    if not edits:
        return
    with writing(root) as hold:
        changes = [
            FileChange(
                path=edit.path,
                standing=_standing(hold.top, edit.path, edit.before),
                after=edit.left,
                mode=edit.mode,
            )
            for edit in edits
        ]
        missing = {
            folder for edit in edits for folder in place.missing_folders(hold.top, edit.path)
        }
        journal = journal_of(hold, changes, purpose, run, sorted(missing))
        with stops.deferred() as due:
            if kept is not None:
                _keep(kept, journal)
            try:
                due()
                carry_out(hold, journal, changes, due)
            except BaseException:
                if kept is not None and not lock.journalled(hold.top):
                    (kept / lock.DOCUMENT).unlink()  # nothing is written: nothing to undo
                raise
            if kept is not None:
                journals.mark_committed(kept)


@contextmanager
def writing(root: Path) -> Iterator[Hold]:
    """Hold the tree at `root` for the block; raises CloseoutError where it cannot be written to."""
    with lock.held(root) as hold:
        hold.assert_writable()
        if lock.journalled(hold.top):
            raise recovery.HalfWrittenError(root, "a command was cut off", ExitCode.GAPS_LEFT)
        yield hold


def _standing(top: int, path: PurePosixPath, before: bytes | None) -> Standing:
    """Return what stands at `path` if it is `before` and may be replaced."""
    try:
        found = place.look(top, path)
        closed = place.closed_folder(top, path)
    except RefusedError as error:
        raise ChangedError(path, str(error)) from None
    except OSError as error:
        raise ChangedError(path, f"its folder cannot be entered: {error.strerror}") from None
    if found.content != before:
        raise ChangedError(path, "it changed while the plan was made")
    if found.refusal or closed:
        raise ChangedError(path, found.refusal or f"{closed} takes no new file")
    return found


def journal_of(
    hold: Hold,
    changes: Sequence[FileChange],
    purpose: str,
    run: str,
    folders: Sequence[PurePosixPath],
) -> Journal:
    """Return what is to be kept of changes; `folders` are those that they make."""
    contents = {}
    for change in changes:
        sha = change.entry.before
        if sha is not None and change.standing.content is not None:
            contents[sha] = change.standing.content
    return Journal(
        purpose=purpose,
        run=run,
        root=str(hold.root),
        files=tuple(change.entry for change in changes),
        folders=tuple(folders),
        contents=contents,
    )


def _keep(kept: Path, journal: Journal) -> None:
    kept.mkdir(mode=0o700)
    with opened(kept.parent) as top:
        journals.keep(top, kept.name, journal)


def carry_out(
    hold: Hold,
    journal: Journal,
    changes: Sequence[FileChange],
    due: stops.Due,
    leaving: Sequence[PurePosixPath] = (),
) -> None:
    """Write all changes and remove the empty folders of `leaving`, or put everything back."""
    try:
        with _refusing(hold.root):
            journals.keep(hold.top, JOURNAL, journal)
        for change in changes:
            if change.after is not None:
                with _refusing(change.path):
                    place.stage(hold.top, change.path, change.after, change.mode, change.standing)
            due()
        for change in changes:
            _standing(hold.top, change.path, change.standing.content)
            with _refusing(change.path):
                if change.after is None:
                    place.remove(hold.top, change.path)
                else:
                    place.replace(hold.top, change.path)
            due()
        for folder in reversed(leaving):
            place.remove_folder(hold.top, folder)
        journals.close(hold.top, JOURNAL)
    except BaseException as error:
        _returned(hold, journal, error)
        raise


def _returned(hold: Hold, journal: Journal, error: BaseException) -> None:
    """Put everything back after `error`; raises what is worse than that."""
    code = ExitCode.UNUSABLE_INPUT
    if isinstance(error, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    left = recovery.put_back(hold, journal, code).left
    edited = left.keys() - ({error.path} if isinstance(error, ChangedError) else set())
    if edited:
        raise CloseoutError(
            "edited-meanwhile",
            f"{', '.join(map(str, sorted(edited)))} changed while this was written, "
            "and is left as it is; all else is as before.",
            hint="check what changed, then run the command again.",
            exit_code=ExitCode.GAPS_LEFT,
        ) from error


@contextmanager
def _refusing(what: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CloseoutError(
            "not-writable",
            f"{what} cannot be written: {error.strerror}.",
            hint="make it writable, then run the command again; everything is as before.",
        ) from error
