"""The only writer of foreign files: checked first, replaced atomically, undoable.

A journal folder holds every touched file's bytes from before the run. It is complete before the
first file changes, so a kill at any moment can be rolled back from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import json_reader
from closeout.fs.safe_open import behind_link, clean_path
from closeout.fs.walk import TEMPORARY_SUFFIX
from closeout.model import Edit, Tree

_JOURNAL = "journal.json"
_COMMITTED = "committed"
_UNDONE = "undone"
_SHA = re.compile("[0-9a-f]{64}")
_MOST_MODE = 0o7777


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """One file in a journal: digests and permission bits before and after; None means absent."""

    path: PurePosixPath
    before: str | None
    after: str
    before_mode: int
    after_mode: int


def commit(root: Path, edits: Sequence[Edit]) -> None:
    """Write every edit below `root`, each by atomic replacement with its mode from the start.

    Raises CloseoutError("file-changed") before anything is written if a file no longer holds its
    `before` bytes, and CloseoutError("not-writable") where the system refuses.
    """
    for edit in edits:
        if _bytes(root / edit.path) != edit.before:
            raise CloseoutError(
                "file-changed",
                f"{edit.path} changed while the plan was made.",
                hint="run the command again; nothing was written.",
                exit_code=ExitCode.GAPS_LEFT,
            )
    for edit in edits:
        _replace(root, edit.path, edit.after, edit.mode)


def open_journal(journal: Path, root: Path, edits: Sequence[Edit]) -> None:
    """Keep in `journal` what `undo` needs, before `commit` touches anything."""
    blobs = journal / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    touched = []
    for edit in edits:
        place = root / edit.path
        mode = stat.S_IMODE(place.lstat().st_mode) if edit.before is not None else edit.mode
        if edit.before is not None:
            durable_write(blobs / _sha(edit.before), edit.before)
        touched.append(
            {
                "path": str(edit.path),
                "before": None if edit.before is None else _sha(edit.before),
                "after": _sha(edit.after),
                "before_mode": mode,
                "after_mode": edit.mode,
            }
        )
    document = {"root": str(root), "files": touched, "folders": _missing_folders(root, edits)}
    durable_write(journal / _JOURNAL, json.dumps(document, indent=1).encode())


def close_journal(journal: Path) -> None:
    """Mark the journal's run as whole."""
    durable_write(journal / _COMMITTED, b"")


def is_unfinished(journal: Path) -> bool:
    """Return whether a run opened this journal and neither finished nor was undone."""
    return is_undoable(journal) and not (journal / _COMMITTED).exists()


def is_undoable(journal: Path) -> bool:
    """Return whether the journal is complete and its run was not undone."""
    return (journal / _JOURNAL).exists() and not (journal / _UNDONE).exists()


def touched(journal: Path) -> tuple[Touched, ...]:
    """Return the files that the journal's run touched, in writing order."""
    return _read_journal(journal)[0]


def undo(journal: Path, root: Path) -> tuple[PurePosixPath, ...]:
    """Put back under `root` the exact bytes and modes from before the journal's run.

    Returns the restored paths. Raises CloseoutError("edited-since") before anything is written
    if a file holds neither the run's result nor what was there before it.
    """
    files, folders = _read_journal(journal)
    blobs = {item.before: _blob(journal, item.before) for item in files if item.before}
    for item in files:
        try:
            found = _digest(root / item.path)
        except OSError as error:
            raise _unusable(journal, f"{item.path} cannot be read: {error.strerror}") from error
        if found not in {item.before, item.after}:
            raise CloseoutError(
                "edited-since",
                f"{item.path} was edited after the run that is to be undone.",
                hint="keep your edit elsewhere, restore the file, then undo again.",
                exit_code=ExitCode.GAPS_LEFT,
            )
    restored = []
    for item in files:
        place = root / item.path
        with contextlib.suppress(FileNotFoundError):
            _temporary(place).unlink()
        if _digest(place) == item.before:
            continue
        if item.before is None:
            place.unlink()
        else:
            _replace(root, item.path, blobs[item.before], item.before_mode)
        restored.append(item.path)
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            (root / folder).rmdir()
    return tuple(restored)


def mark_undone(journal: Path) -> None:
    """Record that the journal's run was undone, so that it is not undone twice."""
    durable_write(journal / _UNDONE, b"")


def durable_write(place: Path, content: bytes, mode: int = 0o644) -> None:
    """Write one file of ours so that it is whole or absent, even after a power cut."""
    temporary = _temporary(place)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    with os.fdopen(os.open(temporary, flags, mode), "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, place)  # noqa: PTH105 - the one call the crash test counts and kills at


def copy_tree(tree: Tree, folder: Path) -> None:
    """Write every readable file of `tree` below `folder`, with its permission bits."""
    for path in tree.paths():
        content = tree.read(path)
        if content is not None:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(tree.mode(path) | 0o600)


def _replace(root: Path, path: PurePosixPath, content: bytes, mode: int) -> None:
    place = root / path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _assert_inside(root, path)
        durable_write(place, content, mode)
    except OSError as error:
        raise CloseoutError(
            "not-writable",
            f"{path} cannot be written: {error.strerror}.",
            hint="make the monorepo writable, then run `invoke fix.undo` or the command again.",
        ) from error


def assert_writable(root: Path, edits: Sequence[Edit]) -> None:
    """Raise CloseoutError where a folder that an edit needs refuses a new file or leads away."""
    for edit in edits:
        _assert_inside(root, edit.path)
    folders = {_existing_parent(root, edit.path) for edit in edits}
    for folder in sorted(folders):
        if not folder.stat().st_mode & 0o222:  # root may write here all the same; it must not
            raise _not_writable(folder, "its folder is read-only")
        try:
            with tempfile.NamedTemporaryFile(dir=folder, suffix=TEMPORARY_SUFFIX):
                pass
        except OSError as error:
            raise _not_writable(folder, str(error.strerror)) from error


def _assert_inside(root: Path, path: PurePosixPath) -> None:
    """Raise where the file or a folder on the way is a link, which leads anywhere, or no file."""
    place = root / path
    if behind_link(root, path) or place.is_symlink():
        raise CloseoutError(
            "unsafe-path",
            f"{path} is behind a symbolic link.",
            hint="replace the link by a folder or leave this place out with --only.",
        )
    if place.exists() and not place.is_file():
        raise _not_writable(place, "a file belongs there, and it is none")


def _not_writable(folder: Path, why: str) -> CloseoutError:
    return CloseoutError(
        "not-writable",
        f"{folder} cannot be written: {why}.",
        hint="make the monorepo writable; nothing was written.",
    )


def _existing_parent(root: Path, path: PurePosixPath) -> Path:
    folder = (root / path).parent
    while not folder.exists():
        folder = folder.parent
    return folder


def _missing_folders(root: Path, edits: Sequence[Edit]) -> list[str]:
    folders = {parent for edit in edits for parent in edit.path.parents if parent.parts}
    return sorted(str(folder) for folder in folders if not (root / folder).exists())


def _temporary(place: Path) -> Path:
    return place.with_name(f".{place.name}{TEMPORARY_SUFFIX}")


def _read_journal(journal: Path) -> tuple[tuple[Touched, ...], tuple[PurePosixPath, ...]]:
    """Return the files that a journal tells of, and the folders that its run made."""
    try:
        document = json_reader.loads((journal / _JOURNAL).read_bytes())
        files = tuple(_touched(item) for item in document["files"])
        return files, tuple(clean_path(str(folder)) for folder in document["folders"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(journal, f"{_JOURNAL} is damaged: {error}") from error


def _touched(item: Mapping[str, object]) -> Touched:
    """Return one entry of a journal; raises ValueError for what no run ever wrote."""
    before, after = item["before"], str(item["after"])
    modes = (item["before_mode"], item["after_mode"])
    plain = all(isinstance(mode, int) and 0 <= mode <= _MOST_MODE for mode in modes)
    if not plain or not all(_SHA.fullmatch(str(sha)) for sha in (after, before or after)):
        message = "an entry is not as a run writes it"
        raise ValueError(message)
    return Touched(
        path=clean_path(str(item["path"])),
        before=None if before is None else str(before),
        after=after,
        before_mode=int(str(modes[0])),
        after_mode=int(str(modes[1])),
    )


def _blob(journal: Path, sha: str) -> bytes:
    content = _bytes(journal / "blobs" / sha)
    if content is None or _sha(content) != sha:
        raise _unusable(journal, f"the bytes {sha[:12]} from before the run are damaged")
    return content


def _unusable(journal: Path, what: str) -> CloseoutError:
    return CloseoutError(
        "journal-unusable",
        f"run {journal.parent.name}: {what}.",
        hint="restore the files from version control and move the run's folder away; "
        "nothing was written.",
        exit_code=ExitCode.GAPS_LEFT,
    )


def _bytes(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _digest(place: Path) -> str | None:
    content = _bytes(place)
    return None if content is None else _sha(content)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
