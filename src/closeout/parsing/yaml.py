"""Locate YAML keys, items and insertion points by byte offset; nothing is changed here.

The parser counts characters and this project splices bytes, so every mark is converted. Comments,
quoting and indentation stay out of it: they are what a splice elsewhere leaves alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from sys import intern
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from closeout.fs.text_edit import Splice, line_end
from closeout.parsing.memo import on_trial
from closeout.parsing.yaml_loader import refuse_large, structure_loader

_WIDE = re.compile(r"[^\x00-\x7f]")


class YamlError(Exception):
    """Content that is no YAML; `line` is where the parser gave up."""

    def __init__(self, detail: str, *, line: int) -> None:
        """Keep the parser's reason and the 1-based line."""
        super().__init__(f"line {line}: {detail}")
        self.detail = detail
        self.line = line


class NodeKind(Enum):
    """What a node is."""

    MAPPING = "mapping"
    SEQUENCE = "sequence"
    SCALAR = "scalar"


_KINDS = {kind.value: kind for kind in NodeKind}


class Entry(Struct, frozen=True, kw_only=True):
    """One key of a mapping or one item of a sequence, where `key` is its index."""

    key: str | int
    start: int
    """Byte offset of the key, or of the item after its dash."""
    value: Node


class Node(Struct, frozen=True, kw_only=True):
    """A value with the bytes it spans; `end` excludes trailing blanks, comments and newlines."""

    kind: NodeKind
    start: int
    end: int
    line: int
    indent: int
    """Column of a block mapping's keys or of a block sequence's dashes."""
    flow: bool
    """Whether a collection is written in brackets."""
    text: str
    """A scalar's value after unquoting; empty for collections."""
    entries: tuple[Entry, ...] = ()
    alias: bool = False
    """Whether the value only refers to another place: an edit would change both."""

    def get(self, *keys: str | int) -> Node | None:
        """Return the value below `keys`, the last of duplicates; None where one is absent."""
        node: Node | None = self
        for key in keys:
            found = [entry.value for entry in node.entries if entry.key == key] if node else []
            node = found[-1] if found else None
        return node

    def said(self, *keys: str | int) -> str:
        """Return the text of the scalar below `keys`, empty for anything else."""
        found = self.get(*keys)
        return found.text if found is not None else ""

    def items(self, *keys: str | int) -> list[Node]:
        """Return the values of the collection below `keys`; none where there is none."""
        found = self.get(*keys)
        return [entry.value for entry in found.entries] if found is not None else []

    def scalars(self) -> tuple[str, ...]:
        """Return the text of every scalar item or value directly below."""
        return tuple(
            entry.value.text for entry in self.entries if entry.value.kind is NodeKind.SCALAR
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """A place where new keys or items fit, and what has to stand around them."""

    offset: int
    indent: str
    before: str
    after: str

    def splice(self, text: str) -> Splice:
        """Return the splice that puts `text` there, every line of it indented.

        `text` is one entry or more, without a final newline, such as `key: value` or `- item`;
        in a collection written in brackets it is a bare `key: value` or `item`.
        """
        lines = [self.indent + line if line else line for line in text.split("\n")]
        joined = "\n".join(lines)
        return Splice(start=self.offset, end=self.offset, text=f"{self.before}{joined}{self.after}")


def documents(content: bytes) -> tuple[Node, ...]:
    """Return the top node of every document; raises YamlError."""
    return _documents(content)


def find(content: bytes, *keys: str | int) -> Node | None:
    """Return the value below `keys` in the first document; raises YamlError.

    Keys are mapping keys as text and sequence indices as numbers. Merge keys (`<<`) are not
    followed: their entries stand elsewhere.
    """
    tops = documents(content)
    return tops[0].get(*keys) if tops else None


def append(content: bytes, node: Node) -> Insertion:
    """Return the place after the last entry of the collection `node`.

    Raises ValueError for a scalar and for an alias: there is no such place of its own.
    """
    entry = node.entries[-1] if node.entries else None
    if node.kind is NodeKind.SCALAR or node.alias:
        message = f"nothing can be inserted in the {node.kind.value} on line {node.line}"
        raise ValueError(message)
    if node.flow:
        place = node.start + 1 if entry is None else entry.value.end
        return Insertion(offset=place, indent="", before="" if entry is None else ", ", after="")
    last = node.end if entry is None else max(entry.value.end, entry.start)
    offset = line_end(content, last)
    ended = content[:offset].endswith(b"\n")
    return Insertion(
        offset=offset,
        indent=" " * node.indent,
        before="" if ended else "\n",
        after="\n" if ended else "",
    )


@on_trial
def _documents(content: bytes) -> tuple[Node, ...]:
    import yaml  # noqa: PLC0415 - slow to import, and most runs ask for it late

    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlError("not UTF-8", line=line) from error
    try:
        refuse_large(content)
        tops = [top for top in yaml.compose_all(text, Loader=structure_loader()) if top is not None]
        reader = _Reader(content, text)
        return tuple(reader.node(top) for top in tops)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YamlError(error.problem or "not YAML", line=line) from error
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        raise YamlError("a character YAML forbids", line=text.count("\n", 0, position) + 1) from (
            error
        )
    except RecursionError as error:
        raise YamlError("nested too deeply", line=1) from error


class _Reader:
    """Turns the parser's nodes into ours, each once, however often it is aliased.

    Words that many places hold, such as keys, are held once.
    """

    def __init__(self, content: bytes, text: str) -> None:
        self._content = content
        self._offset = _offsets(text)
        self._has_aliases = b"*" in content
        self._known: dict[int, Node] = {}
        self._open: set[int] = set()

    def node(self, raw: Any) -> Node:  # noqa: ANN401 - PyYAML ships no types
        if not self._has_aliases:  # no node is there twice
            return self._make(raw)
        identity = id(raw)
        if identity in self._known:
            return replace(self._known[identity], alias=True)
        if identity in self._open:
            raise YamlError("an alias that contains itself", line=raw.start_mark.line + 1)
        self._open.add(identity)
        made = self._make(raw)
        self._open.discard(identity)
        self._known[identity] = made
        return made

    def _make(self, raw: Any) -> Node:  # noqa: ANN401 - PyYAML ships no types
        mark = raw.start_mark
        kind = _KINDS[raw.id]
        start = self._offset(mark.index)
        end = self._offset(raw.end_mark.index)
        entries: tuple[Entry, ...] = ()
        flow = False
        if kind is not NodeKind.SCALAR:
            entries = tuple(self._entries(raw.value, kind))
            flow = bool(raw.flow_style)
        if kind is NodeKind.SCALAR or flow:
            end = start + len(self._content[start:end].rstrip())
        else:
            own = [entry.value.end for entry in entries if not entry.value.alias]
            end = max([start, *own, *(entry.start for entry in entries)])
        return Node(
            kind=kind,
            start=start,
            end=end,
            line=mark.line + 1,
            indent=mark.column,
            flow=flow,
            text=intern(raw.value) if kind is NodeKind.SCALAR else "",
            entries=entries,
        )

    def _entries(self, value: Any, kind: NodeKind) -> list[Entry]:  # noqa: ANN401 - as above
        offset, node = self._offset, self.node
        if kind is NodeKind.MAPPING:
            return [
                Entry(
                    key=intern(key.value) if isinstance(key.value, str) else "",
                    start=offset(key.start_mark.index),
                    value=node(item),
                )
                for key, item in value
            ]
        return [
            Entry(key=index, start=offset(item.start_mark.index), value=node(item))
            for index, item in enumerate(value)
        ]


def _offsets(text: str) -> Callable[[int], int]:
    """Return what tells a character's place in bytes; few characters take more than one."""
    if text.isascii():
        return int
    wide = list(_WIDE.finditer(text))
    starts = [found.end() for found in wide]
    added = [0, *accumulate(len(found[0].encode()) - 1 for found in wide)]
    return lambda at: at + added[bisect_right(starts, at)]
