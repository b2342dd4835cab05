"""Recall, from one run to the next, the answers about files that did not change in between.

Only answers are kept, no content. An entry counts while size, times and inode of its file are the
same and the code that asks is the same; everything that cannot be trusted is asked again. An answer
about a tree as a whole counts while all that it rests on has the digest that it had.

The answers about a tree are one file in CLOSEOUT_CACHE, else in the user's own folder for such
things; whoever only looks reads it and never writes it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec

from closeout.fs import codec, prefilter, writer
from closeout.resources import BUNDLE

_Signature = tuple[int, int, int, int, int]
"""Size, mtime, ctime, inode and device of a file."""
_Entry = tuple[int, int, int, int, int, int, str]
"""A file's signature, then the answers about it and the digest of its bytes."""
Step = tuple[str, str, str]
"""What was asked and about what, as text, and a digest of what the tree said."""

_MOST_TOLD = 4
"""Answers to one question that are kept: before a fix, after it, and of another branch."""

_SETTLED = 2_000_000_000
"""Nanoseconds; a file that changed later than this before it was read may change again unseen."""

_MOST_BYTES = 32 * 1024 * 1024
"""A larger file is neither written nor read: some 300,000 paths."""

_MOST_TREES = 16
"""Of more trees than these, the one that was looked at least recently is forgotten."""

_SUFFIX = ".answers"
_PACKAGE = Path(__file__).parents[1]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer about trees, as JSON, and what it rests on."""

    state: str
    """Digest of the state in which it is known to hold, empty where none is."""
    apart: tuple[Step, ...]
    """The steps of `rests_on` about what no state takes in: no file of the tree's own."""
    rests_on: msgspec.Raw
    """The steps of its trace, as JSON: they are looked at in another state alone."""
    answer: msgspec.Raw


@dataclass(frozen=True, slots=True)
class _Kept:
    asked_by: list[str]
    root: str
    files: dict[str, _Entry]
    told: dict[str, list[Told]]


class Recall:
    """The answers about the files of one tree, kept in one file of ours."""

    def __init__(self, place: Path, root: Path) -> None:
        """Take up what `place` holds about the tree at `root`; nothing where that is unusable."""
        self._place = place
        self._root = str(root)
        self._opened = time.time_ns()
        self._state: str | None = None
        self._asked = 0
        self._before: Mapping[str, _Entry] = {}
        self._now: dict[str, _Entry] = {}
        self._told: dict[str, list[Told]] = {}
        self._is_told_anew = False

    def known(self, text: str) -> tuple[int, str] | None:
        """Return the answers about a file that is as it was, and its digest; else None."""
        self._take_up()
        known = self._now.get(text)
        if known is None:
            known = self._before.get(text)
            if known is None or known[:5] != self._signature(text):
                return None
            self._now[text] = known
        return known[5], known[6]

    def _take_up(self) -> None:
        if self._asked != prefilter.asked():
            self._asked = prefilter.asked()
            kept = _loaded(self._place, self._root)
            self._before, self._now = kept.files if kept else {}, {}
            self._told = kept.told if kept else {}

    def told(self, question: str) -> tuple[Told, ...]:
        """Return the answers to a question about the tree, the last one first."""
        self._take_up()
        return tuple(self._told.get(question, ()))

    def tell(self, question: str, answer: Told) -> None:
        """Take note of an answer, before those that are known."""
        self._told[question] = [answer, *self._told.get(question, ())][:_MOST_TOLD]
        self._is_told_anew = True

    def used(self, question: str, answer: Told, now: Told) -> None:
        """Put a known answer before the others to the question, as it is `now`."""
        known = self._told[question]
        if known[0] is not now:
            known.remove(answer)
            self.tell(question, now)

    def state(self, paths: Iterable[PurePosixPath]) -> str:
        """Return a digest of all files' names and signatures; empty where one is in motion.

        Asked for once. What changed since the tree was opened, or just before, is in motion: some
        of what was read of it may be older than what stands there.
        """
        if self._state is None:
            total = hashlib.sha256()
            latest = 0
            for text in map(str, paths):
                signature = self._signature(text)
                latest = max(latest, *signature[1:3]) if signature else self._opened
                total.update(f"{text}\0{signature}\0".encode())
            is_settled = latest <= self._opened - _SETTLED
            self._state = total.hexdigest() if is_settled else ""
        return self._state

    def asking(self, path: PurePosixPath) -> _Signature | None:
        """Return the signature of a file that is about to be read, None for one in motion."""
        signature = self._signature(str(path))
        if signature is None or max(signature[1:3]) > time.time_ns() - _SETTLED:
            return None
        return signature

    def learn(
        self, path: PurePosixPath, signature: _Signature, answers: int, content: bytes
    ) -> None:
        """Take note of the answers about a file that was as `signature` says before it was read."""
        self._now[str(path)] = (*signature, answers, hashlib.sha256(content).hexdigest())

    def keep(self) -> None:
        """Write the answers down for the next run, where that is possible."""
        if self._now == self._before and not self._is_told_anew:
            return
        made = _Kept(asked_by=askers(), root=self._root, files=self._now, told=self._told)
        body = msgspec.json.encode(made)
        content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        if len(content) <= _MOST_BYTES:
            with suppress(OSError):  # the next run asks again
                self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                writer.durable_write(self._place, content, 0o600)
                _forget_beyond(self._place.parent)

    def _signature(self, path: str) -> _Signature | None:
        try:
            seen = os.lstat(f"{self._root}/{path}")
        except OSError:
            return None
        return _signed(seen)


def _signed(seen: os.stat_result) -> _Signature:
    return (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev)


def _loaded(place: Path, root: str) -> _Kept | None:
    try:
        digest, _, body = _trusted(place).partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        kept = codec.decode(_Kept, body)
    except (OSError, ValueError):
        return None
    return kept if (kept.asked_by, kept.root) == (askers(), root) else None


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


def askers() -> list[str]:
    """Return what tells the code that asks from any other: itself, and its plugins."""
    return [ourselves(), *prefilter.askers()]


@cache
def ourselves() -> str:
    """Return a digest of all that may have a part in an answer: code, texts, and packages.

    A file of ours counts as the same as one of a tree does; what Python compiles from it is none.
    """
    total = hashlib.sha256(sys.version.encode())
    parts = ("patches", "templates", "suites", "scripts", "requirements")
    places = [
        place for part in (_PACKAGE, *(BUNDLE / part for part in parts)) for place in _in(part)
    ]
    beside = str(Path(msgspec.__file__).parents[1])  # what is installed beside it
    for place in sorted((*places, beside)):
        total.update(f"{place}\0{_signed(os.lstat(place))}\0".encode())
    return total.hexdigest()


def _in(folder: Path) -> Iterator[str]:
    """Yield the places of the files below a folder."""
    for above, folders, names in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        yield from (f"{above}/{name}" for name in names)
