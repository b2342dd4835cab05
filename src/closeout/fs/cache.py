"""Recall, from one run to the next, the answers about files that did not change in between.

Only answers are kept, no content. An entry counts while size, times and inode of its file are the
same and the code that asks is the same; everything that cannot be trusted is asked again.

The answers about a tree are one file in CLOSEOUT_CACHE, else in the user's own folder for such
things; whoever only looks reads it and never writes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from closeout.fs import codec, prefilter, writer

_Entry = tuple[int, int, int, int, int, int]
"""Size, mtime, ctime, inode and device of a file, then its answers."""

_SETTLED = 2_000_000_000
"""Nanoseconds; a file that changed later than this before it was read may change again unseen."""

_MOST_BYTES = 32 * 1024 * 1024
"""A larger file is neither written nor read: some 300,000 paths."""

_MOST_TREES = 16
"""Of more trees than these, the one that was looked at least recently is forgotten."""

_SUFFIX = ".answers"


def place_of(root: Path) -> Path | None:
    """Return the file for the answers about the tree at `root`; None where it would be inside."""
    named = os.environ.get("CLOSEOUT_CACHE")
    try:
        folder = Path(named).absolute() if named else _folder_of_user()
        inside = folder.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # nobody's home
        return None
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
    return None if inside else folder / f"{name}{_SUFFIX}"


def _folder_of_user() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "closeout"
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "closeout"


@dataclass(frozen=True, slots=True)
class _Kept:
    asked_by: list[str]
    root: str
    files: dict[str, _Entry]


class Recall:
    """The answers about the files of one tree, kept in one file of ours."""

    def __init__(self, place: Path, root: Path) -> None:
        """Take up what `place` holds about the tree at `root`; nothing where that is unusable."""
        self._place = place
        self._root = str(root)
        self._askers: tuple[str, ...] = ()
        self._before: Mapping[str, _Entry] = {}
        self._now: dict[str, _Entry] = {}

    def answers(self, path: PurePosixPath) -> int | None:
        """Return the answers about a file that is as it was, else None."""
        if self._askers != prefilter.askers():
            self._askers = prefilter.askers()
            self._before, self._now = _loaded(self._place, self._root), {}
        text = str(path)
        known = self._before.get(text)
        if known is None or known[:5] != self._signature(text):
            return None
        self._now[text] = known
        return known[5]

    def asking(self, path: PurePosixPath) -> _Entry | None:
        """Return the entry for a file that is about to be read, None for one in motion."""
        signature = self._signature(str(path))
        if signature is None or max(signature[1:3]) > time.time_ns() - _SETTLED:
            return None
        return (*signature, 0)

    def learn(self, path: PurePosixPath, entry: _Entry, answers: int) -> None:
        """Take note of the answers about a file that was as `entry` says before it was read."""
        self._now[str(path)] = (*entry[:5], answers)

    def keep(self) -> None:
        """Write the answers down for the next run, where that is possible."""
        if self._now == self._before:
            return
        made = {"asked_by": _asker(), "root": self._root, "files": self._now}
        body = json.dumps(made, separators=(",", ":")).encode()
        content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        if len(content) <= _MOST_BYTES:
            with suppress(OSError):  # the next run asks again
                self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                writer.durable_write(self._place, content, 0o600)
                _forget_beyond(self._place.parent)

    def _signature(self, path: str) -> tuple[int, int, int, int, int] | None:
        try:
            seen = os.lstat(f"{self._root}/{path}")
        except OSError:
            return None
        return (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev)


def _loaded(place: Path, root: str) -> Mapping[str, _Entry]:
    try:
        digest, _, body = _trusted(place).partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return {}
        kept = codec.decode(_Kept, body)
    except (OSError, ValueError):
        return {}
    return kept.files if (kept.asked_by, kept.root) == (_asker(), root) else {}


def _forget_beyond(folder: Path) -> None:
    kept = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda item: item.stat().st_mtime, reverse=True)
    for old in kept[_MOST_TREES:]:
        old.unlink()


def _trusted(place: Path) -> bytes:
    """Return what the file holds, nothing where somebody else may have written it."""
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not is_ours or status.st_mode & 0o022 or status.st_size > _MOST_BYTES:
            return b""
        return stream.read(_MOST_BYTES)


def _asker() -> list[str]:
    return [_ourselves(), *prefilter.askers()]


@cache
def _ourselves() -> str:
    """Return a digest of all code that may have a part in an answer."""
    total = hashlib.sha256(sys.version.encode())
    for module in sorted(Path(__file__).parents[1].rglob("*.py")):
        total.update(module.read_bytes())
    return total.hexdigest()
