"""What a transaction is about to write, and every byte from before it.

The same journal is kept in a run's folder, for undo, and in the tree while it is written to, so
that whoever meets the tree, wherever it was moved to, can put it back.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import json_reader, writer
from closeout.fs.lock import DOCUMENT
from closeout.fs.safe_open import clean_path, drained, open_from
from closeout.fs.walk import JOURNAL

_BLOBS = "blobs"
_COMMITTED = "committed"
_UNDONE = "undone"
_SHA = re.compile("[0-9a-f]{64}")
_MOST_MODE = 0o7777
_MOST_BYTES = 256 * 1024 * 1024
_FORBIDDEN = {".git", ".hg", ".svn", JOURNAL}
"""Folders that no run writes to: what stands in them is run by other programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One file in a journal: digests and permission bits before and after; None means absent."""

    path: PurePosixPath
    before: str | None
    after: str | None
    before_mode: int
    after_mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A transaction: its files in writing order, the folders it makes, the bytes from before."""

    purpose: str
    """What the command does: `fix`, `undo`, `init`."""
    run: str
    """The run's id, empty for a command that keeps none."""
    root: str
    files: tuple[JournalEntry, ...]
    folders: tuple[PurePosixPath, ...]
    contents: Mapping[str, bytes] = field(repr=False)
    """The bytes from before by their digest."""


def keep(top: int, folder: str, journal: Journal) -> None:
    """Write the journal into `folder` below the handle `top`; it counts once it is whole."""
    place = _opened(top, folder)
    blobs = -1
    try:
        with suppress(FileExistsError):
            os.mkdir(_BLOBS, 0o700, dir_fd=place)
        blobs = _opened(place, _BLOBS)
        for sha, content in journal.contents.items():
            _write(blobs, sha, content)
        _write(place, DOCUMENT, json.dumps(_to_json(journal), indent=1).encode())
        os.fsync(place)
    finally:
        for handle in (place, blobs):
            if handle >= 0:
                os.close(handle)


def read(top: int, folder: str, name: str) -> Journal:
    """Return the journal in `folder` below the handle `top`; `name` is told where it is damaged."""
    where = PurePosixPath(folder)
    try:
        document = json_reader.loads(_bytes(top, where / DOCUMENT))
        files = tuple(_entry(item) for item in document["files"])
        known = {item.before for item in files if item.before}
        return Journal(
            purpose=str(document.get("purpose", "fix")),
            run=str(document.get("run", "")),
            root=str(document["root"]),
            files=files,
            folders=tuple(_place(item) for item in document["folders"]),
            contents={sha: _blob(top, where, sha) for sha in known},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CloseoutError) as error:
        raise unusable(name, f"{DOCUMENT} is damaged: {error}") from error


def close(top: int, folder: str) -> None:
    """Take the journal away: the one step that makes the tree count as whole."""
    try:
        place = _opened(top, folder)
    except FileNotFoundError:
        return
    try:
        writer.drop(place, DOCUMENT)
        os.fsync(place)
    finally:
        os.close(place)


def is_undoable(folder: Path) -> bool:
    """Return whether the journal in a run's folder is complete and its run was not undone."""
    return (folder / DOCUMENT).is_file() and not (folder / _UNDONE).exists()


def is_unfinished(folder: Path) -> bool:
    """Return whether a run kept this journal and neither finished nor was undone."""
    return is_undoable(folder) and not (folder / _COMMITTED).exists()


def mark_committed(folder: Path) -> None:
    """Mark the journal's run as whole."""
    writer.durable_write(folder / _COMMITTED, b"", 0o600)


def mark_undone(folder: Path) -> None:
    """Record that the journal's run was undone, so that it is not undone twice."""
    writer.durable_write(folder / _UNDONE, b"", 0o600)


def sha256(content: bytes | None) -> str | None:
    """Return the digest of a file's bytes, None for one that is absent."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def unusable(name: str, what: str) -> CloseoutError:
    """Return the error that a journal asks for which cannot be used."""
    return CloseoutError(
        "journal-unusable",
        f"{name}: {what}.",
        hint="restore the files from version control and move that folder away; "
        "nothing was written.",
        exit_code=ExitCode.GAPS_LEFT,
    )


def _opened(top: int, folder: str) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)


def _write(folder: int, name: str, content: bytes) -> None:
    draft = f"{name}.new"
    writer.drop(folder, draft)
    with writer.new_file(folder, draft) as handle:
        writer.filled(handle, content, 0o600)
    writer.put(folder, draft, name)


def _to_json(journal: Journal) -> dict[str, object]:
    return {
        "purpose": journal.purpose,
        "run": journal.run,
        "root": journal.root,
        "files": [
            {
                "path": str(item.path),
                "before": item.before,
                "after": item.after,
                "before_mode": item.before_mode,
                "after_mode": item.after_mode,
            }
            for item in journal.files
        ],
        "folders": [str(folder) for folder in journal.folders],
    }


def _entry(item: Mapping[str, object]) -> JournalEntry:
    """Return one entry of a journal; raises ValueError for what no run ever wrote."""
    digests = (item["before"], item["after"])
    modes = (item["before_mode"], item["after_mode"])
    plain = all(type(mode) is int and 0 <= mode <= _MOST_MODE for mode in modes)
    if not plain or not all(sha is None or _SHA.fullmatch(str(sha)) for sha in digests):
        message = "an entry is not as a run writes it"
        raise ValueError(message)
    before, after = (None if sha is None else str(sha) for sha in digests)
    return JournalEntry(
        path=_place(item["path"]),
        before=before,
        after=after,
        before_mode=int(str(modes[0])),
        after_mode=int(str(modes[1])),
    )


def _place(item: object) -> PurePosixPath:
    """Return a path that a run may write to; raises CloseoutError("unsafe-path") otherwise."""
    path = clean_path(str(item))
    if not path.parts or _FORBIDDEN & {part.lower() for part in path.parts}:
        raise CloseoutError(
            "unsafe-path", f"no run writes to {str(item)!r}", hint="leave it to its program."
        )
    return path


def _blob(top: int, where: PurePosixPath, sha: str) -> bytes:
    content = _bytes(top, where / _BLOBS / sha)
    if sha256(content) != sha:
        message = f"the bytes {sha[:12]} from before the run are altered"
        raise ValueError(message)
    return content


def _bytes(top: int, path: PurePosixPath) -> bytes:
    content, trouble = drained(open_from(top, path), _MOST_BYTES)
    if content is None:
        raise ValueError(trouble)
    return content
