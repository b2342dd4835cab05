"""Replace byte ranges of a file and leave every other byte alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.model import Edit, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    r"""Replace the bytes from `start` up to `end` by `text`; equal offsets insert.

    `text` is written with `\n`; `splice` turns that into the line ending used at the place.
    """

    start: int
    end: int
    text: str


def splice(content: bytes, splices: Iterable[Splice]) -> bytes:
    """Return `content` with every splice applied.

    Splices that insert at one offset keep their order. Raises ValueError where two overlap.
    """
    parts: list[bytes] = []
    position = 0
    for item in sorted(splices, key=lambda item: item.start):
        if item.start < position or item.end < item.start or item.end > len(content):
            message = f"splices overlap or leave the file at byte {item.start}"
            raise ValueError(message)
        ending = line_ending(content, item.start)
        parts += [content[position : item.start], item.text.encode().replace(b"\n", ending)]
        position = item.end
    return b"".join([*parts, content[position:]])


def spliced(tree: Tree, path: PurePosixPath, splices: Iterable[Splice]) -> Edit:
    """Return the edit of a file, there or not, by its splices."""
    return Edit.of(tree, path, splice(tree.read(path) or b"", splices))


def all_spliced(tree: Tree, splices: Mapping[PurePosixPath, Iterable[Splice]]) -> tuple[Edit, ...]:
    """Return one edit a file, sorted by path."""
    return tuple(spliced(tree, path, items) for path, items in sorted(splices.items()))


def line_ending(content: bytes, offset: int) -> bytes:
    r"""Return the line ending at `offset`, `\r\n` or `\n`; the last one where none follows."""
    end = content.find(b"\n", offset)
    end = content.rfind(b"\n") if end < 0 else end
    return b"\r\n" if end > 0 and content[end - 1 : end] == b"\r" else b"\n"


def line_start(content: bytes, offset: int) -> int:
    """Return the byte offset where the line of `offset` starts."""
    return content.rfind(b"\n", 0, offset) + 1


def line_end(content: bytes, offset: int) -> int:
    """Return the byte offset after the newline of the line of `offset`, or the file's end."""
    end = content.find(b"\n", offset)
    return len(content) if end < 0 else end + 1


def line_offset(content: bytes, line: int) -> int:
    """Return the byte offset where 1-based `line` starts; the file's end where it has fewer."""
    position = 0
    for _ in range(line - 1):
        position = line_end(content, position)
    return position


def line_number(content: bytes, offset: int) -> int:
    """Return the 1-based line of byte `offset`."""
    return content.count(b"\n", 0, offset) + 1


def indentation(content: bytes, offset: int) -> str:
    """Return the blanks that the line of `offset` starts with."""
    line = content[line_start(content, offset) : line_end(content, offset)]
    return line[: len(line) - len(line.lstrip(b" \t"))].decode()
