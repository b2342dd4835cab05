"""Say in digests what an answer rests on, so that a later run can tell whether it still holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Any

from closeout.fs import prefilter, reading
from closeout.fs.cache import Recall, Step
from closeout.fs.reading import Seen
from closeout.fs.tree import DiskTree, Overlay
from closeout.fs.walk import FOLDER, comes_to
from closeout.model import Edit, FileQuestion, Tree

Trace = tuple[Step, ...]


def of(*seen: Seen) -> Trace:
    """Return what was seen of each tree in a form that names no content."""
    found = []
    for number, each in enumerate(seen):
        for (how, about), said in each.items():
            code, told, digest = _CODES[how]
            found.append((f"{number}{code}", told(about), digest(said)))
    return tuple(dict.fromkeys(found))


def holds(trees: Sequence[Tree], trace: Trace) -> bool:
    """Return whether the trees would say all of it again; what did not change is not read."""
    return all(
        _ASKED[code[1:]](trees[int(code[0])], about) == digest for code, about, digest in trace
    )


def state(recall: Recall, bottom: DiskTree, trees: Sequence[Tree]) -> str:
    """Return a digest of all files of the trees, which are `bottom` with edits laid over it.

    Empty where some file is in motion.
    """
    below = recall.state(bottom.paths())
    if not below:
        return ""
    laid = ("".join(_laid(*each) for each in _layers(tree)) for tree in trees)
    return hashlib.sha256("\n".join((below, *laid)).encode()).hexdigest()


def _layers(tree: Tree) -> Iterator[tuple[tuple[Edit, ...], frozenset[PurePosixPath]]]:
    while isinstance(tree, Overlay):
        yield tree.edits, tree.held
        tree = tree.base


@lru_cache(maxsize=64)
def _laid(edits: tuple[Edit, ...], held: frozenset[PurePosixPath]) -> str:
    told = [(str(edit.path), edit.mode, edit.removes, _content(edit.left)) for edit in edits]
    return _listing((repr(told), *sorted(map(str, held))))


def apart(trace: Trace, bottom: DiskTree, trees: Sequence[Tree]) -> Trace:
    """Return the steps that no state settles: what is told of no file that a walk comes to."""
    files = [_texts(tree.paths()) for tree in trees]
    is_hidden = any(item.detail.startswith(FOLDER) for item in bottom.unreadable())

    def is_settled(code: str, about: str) -> bool:
        how = code[1:]
        if how in _OF_ALL_FILES or about in files[int(code[0])]:
            return True
        return how in _OF_CONTENT and not is_hidden and comes_to(PurePosixPath(about))

    return tuple(step for step in trace if not is_settled(*step[:2]))


@lru_cache(maxsize=64)
def _texts(paths: tuple[PurePosixPath, ...]) -> frozenset[str]:
    return frozenset(map(str, paths))


@lru_cache(maxsize=4096)
def _content(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


@lru_cache(maxsize=512)
def _listing(paths: tuple[object, ...]) -> str:
    return hashlib.sha256("\0".join(map(str, paths)).encode()).hexdigest()


def _read(tree: Tree, about: str) -> str:
    if isinstance(tree, Overlay):
        edit = tree.edit_of(about)
        return _content(edit.left) if edit else _read(tree.base, about)
    if isinstance(tree, DiskTree):
        return tree.content_digest(about)
    return _content(tree.read(about))


def _question(tree: Tree, about: str) -> str:
    return _listing(tree.candidates(prefilter.numbered(int(about))))


def _suffixes(suffixes: Iterable[str]) -> str:
    return " ".join(sorted(suffixes))


def _number(question: FileQuestion) -> str:
    return str(question.bit.bit_length() - 1)


def _ending(tree: Tree, about: str) -> str:
    return _listing(tree.ending(frozenset(about.split(" ") if about else ())))


def _below(tree: Tree, about: str) -> str:
    return _listing(reading.below(tree, PurePosixPath(about)))


def _nothing(_: None) -> str:
    return ""


_CODES: Mapping[reading.Asked, tuple[str, Callable[[Any], str], Callable[[Any], str]]] = {
    reading.said_paths: ("paths", _nothing, _listing),
    reading.said_ending: ("ending", _suffixes, _listing),
    reading.said_candidates: ("candidates", _number, _listing),
    reading.said_read: ("read", str, _content),
    reading.said_sha256: ("sha256", str, bytes.hex),
    reading.said_mode: ("mode", str, str),
    reading.said_unreadable: ("unreadable", _nothing, repr),
    reading.below: ("below", str, _listing),
}
_OF_ALL_FILES = frozenset(("paths", "ending", "candidates", "below"))
_OF_CONTENT = frozenset(("read", "sha256"))
_ASKED: Mapping[str, Callable[[Tree, str], str]] = {
    "paths": lambda tree, _: _listing(tree.paths()),
    "ending": _ending,
    "candidates": _question,
    "read": _read,
    "sha256": lambda tree, about: tree.sha256(PurePosixPath(about)).hex(),
    "mode": lambda tree, about: str(tree.mode(about)),
    "unreadable": lambda tree, _: repr(tree.unreadable()),
    "below": _below,
}

Piece = str | tuple[int, int]
"""Text of its own, one character a byte, or a place in the source and how many bytes it has."""

_WORTH = 8
_MOST = 40


def delta(source: bytes, target: bytes, marks: int = 0) -> tuple[Piece, ...]:
    """Return how `target` is put together from lines of `source` and text of its own.

    The first `marks` bytes of a line stand for themselves, as those of a diff do. Of a changed
    line only what is new is text.
    """
    places: dict[bytes, int] = {}
    start = 0
    for line in source.splitlines(keepends=True):
        places.setdefault(line, start)
        start += len(line)
    lines = target.splitlines(keepends=True)
    gone = set(places) - {line[marks:] for line in lines if not line.startswith(b"-"[:marks])}
    near = sorted(gone, key=lambda line: places[line])
    found: list[Piece] = []
    for line in lines:
        body = line[marks:]
        pieces: Iterable[Piece] = [line.decode("latin-1")]
        if body in places:
            pieces = [line[:marks].decode("latin-1"), (places[body], len(body))]
        elif near:
            pieces = [line[:marks].decode("latin-1"), *_changed(body, near, places)]
        found += pieces
    return _joined(found)


def _changed(line: bytes, near: Sequence[bytes], places: Mapping[bytes, int]) -> list[Piece]:
    best = max(near[:_MOST], key=partial(_shared, line))
    ahead, behind = _ends(line, best)
    if ahead + behind < _WORTH:
        return [line.decode("latin-1")]
    start = places[best]
    return [
        (start, ahead),
        line[ahead : len(line) - behind].decode("latin-1"),
        (start + len(best) - behind, behind),
    ]


def _shared(line: bytes, other: bytes) -> int:
    return sum(_ends(line, other))


def _ends(line: bytes, other: bytes) -> tuple[int, int]:
    """Return how many bytes two lines have in common at their start, and at their end."""
    most = min(len(line), len(other))
    ahead = next((at for at in range(most) if line[at] != other[at]), most)
    left = most - ahead
    behind = next((at for at in range(left) if line[-1 - at] != other[-1 - at]), left)
    return ahead, behind


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for piece in pieces:
        if not piece or (isinstance(piece, tuple) and not piece[1]):
            continue
        last = found[-1] if found else None
        if isinstance(piece, str) and isinstance(last, str):
            found[-1] = last + piece
        elif isinstance(piece, tuple) and isinstance(last, tuple) and sum(last) == piece[0]:
            found[-1] = (last[0], last[1] + piece[1])
        else:
            found.append(piece)
    return tuple(found)


def put_together(source: bytes, pieces: Iterable[Piece]) -> bytes:
    """Return what `delta` took apart."""
    return b"".join(
        piece.encode("latin-1") if isinstance(piece, str) else source[piece[0] : sum(piece)]
        for piece in pieces
    )
