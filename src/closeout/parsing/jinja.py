"""Locate Jinja in SQL: tags, the branches of an `if`, calls, and what does not close.

Nothing is rendered. Offsets are bytes of the text as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_TAG = re.compile(
    rb"""
    (?P<comment>\{\#.*?(?:\#\}|\Z))
  | (?P<raw>\{%[-+]?\s*raw\s*[-+]?%\}.*?(?:\{%[-+]?\s*endraw\s*[-+]?%\}|\Z))
  | (?P<expression>\{\{(?:(?>'(?:\\.|[^'\\])*+'|"(?:\\.|[^"\\])*+"|(?!\}\}).))*+(?:\}\}|\Z))
  | (?P<statement>\{%(?:(?>'(?:\\.|[^'\\])*+'|"(?:\\.|[^"\\])*+"|(?!%\}).))*+(?:%\}|\Z))
    """,
    re.DOTALL | re.VERBOSE,
)
_ENDS = {"comment": b"#}", "raw": b"%}", "expression": b"}}", "statement": b"%}"}
_WORD = re.compile(rb"\{%[-+]?\s*(\w+)")
_TOKEN = re.compile(rb"""'(?:\\.|[^'\\])*+'|"(?:\\.|[^"\\])*+"|[A-Za-z_]\w*|\d+|\S""", re.DOTALL)
_NAME = re.compile(rb"[A-Za-z_]\w*")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_NOT_NEWLINE = re.compile(rb"[^\r\n]")
_PAIRS = {b")": b"(", b"]": b"[", b"}": b"{"}
_BLOCKS = frozenset(
    [
        *("if", "for", "macro", "call", "filter", "block", "with", "autoescape"),
        *("snapshot", "test", "data_test", "materialization", "docs"),
    ]
)
_ENDERS = {f"end{word}": word for word in (*_BLOCKS, "set", "raw")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A comment, raw block, expression or statement; `word` is a statement's first word."""

    kind: str
    word: str
    start: int
    end: int
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch of an `if`: its condition's text, empty for `else`, and its body's span."""

    condition: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A place where Jinja refuses the text."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroCall:
    """A call such as `dbt_utils.star(...)`: the dotted name, its start, its keyword arguments."""

    name: tuple[str, ...]
    start: int
    keywords: Mapping[str, tuple[int, int]]
    """Name to the span of the value."""


@lru_cache(maxsize=64)
def tags(content: bytes) -> tuple[Tag, ...]:
    """Return every tag of `content`, in order; a raw block is one tag."""
    found = []
    for match in _TAG.finditer(content):
        kind = match.lastgroup or ""
        word = _WORD.match(match[0]) if kind == "statement" else None
        found.append(
            Tag(
                kind=kind,
                word=word[1].decode() if word else "",
                start=match.start(),
                end=match.end(),
                closed=match[0].endswith(_ENDS[kind]) and len(match[0]) > len("{{}"),
            )
        )
    return tuple(found)


def mask(content: bytes) -> bytes:
    """Return `content` at the same length without Jinja and in ASCII; newlines stay.

    An expression becomes one word of underscores, everything else of Jinja's becomes blanks.
    """

    def replaced(match: re.Match[bytes]) -> bytes:
        if match.lastgroup == "expression":
            return b"_" * len(match[0])
        return _NOT_NEWLINE.sub(b" ", match[0])

    return _NOT_ASCII.sub(b"x", _TAG.sub(replaced, content))


def blank(content: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """Return `content` with `spans` as blanks; newlines stay."""
    kept = bytearray(content)
    done = 0
    for start, end in sorted(spans):  # they may lie inside each other, a thousand deep
        if end > done:
            first = max(start, done)
            kept[first:end] = _NOT_NEWLINE.sub(b" ", content[first:end])
            done = end
    return bytes(kept)


def alternatives(content: bytes) -> tuple[tuple[Branch, ...], ...]:
    """Return the branches of every complete `if`."""
    found: list[tuple[Branch, ...]] = []
    opened: list[tuple[str, list[Tag]]] = []
    for tag in tags(content):
        if tag.word in {"if", "for"}:
            opened.append((tag.word, [tag]))
        elif tag.word in {"elif", "else"} and opened:
            opened[-1][1].append(tag)
        elif tag.word in {"endif", "endfor"} and opened:
            kind, edges = opened.pop()
            if kind == "if":
                found.append(
                    tuple(
                        Branch(condition=_condition(content, left), start=left.end, end=right.start)
                        for left, right in pairwise([*edges, tag])
                    )
                )
    return tuple(found)


def faults(content: bytes) -> tuple[Fault, ...]:
    """Return what Jinja would refuse: tags, blocks, strings and brackets that do not close."""
    found = tags(content)
    told = [
        Fault(offset=tag.start, message=f"the Jinja {tag.kind} that starts here does not end")
        for tag in found
        if not tag.closed
    ]
    if told:
        return tuple(told)
    inside = [
        fault
        for tag in found
        if tag.kind in {"expression", "statement"}
        for fault in _torn(content, tag)
    ]
    return (*inside, *_blocks(content, found))


def calls(content: bytes) -> Iterator[MacroCall]:
    """Yield every call in an expression or a statement of `content`."""
    for tag in tags(content):
        if tag.kind in {"expression", "statement"}:
            yield from _calls(list(_TOKEN.finditer(content, tag.start + 2, tag.end - 2)))


def assigned(content: bytes) -> frozenset[str]:
    """Return the names that `set`, `for`, `macro`, `call` and `import` give in `content`."""
    names: set[str] = set()
    for tag in tags(content):
        if tag.word in {"set", "for", "macro", "call", "import", "from"}:
            names |= {word.decode() for word in _NAME.findall(content, tag.start, tag.end)}
    return frozenset(names)


def _condition(content: bytes, tag: Tag) -> str:
    text = content[tag.start + 2 : tag.end - 2].decode("utf-8", "replace").strip("-+ \t\r\n")
    return text.removeprefix(tag.word).strip()


def _torn(content: bytes, tag: Tag) -> Iterator[Fault]:
    """Yield the first string or bracket of the tag that has no partner."""
    opened: list[tuple[bytes, int]] = []
    for match in _TOKEN.finditer(content, tag.start + 2, tag.end - 2):
        text = match[0]
        if text in {b"'", b'"'}:
            yield Fault(offset=match.start(), message="the Jinja string that starts here is open")
            return
        if text in _PAIRS.values():
            opened.append((text, match.start()))
        elif text in _PAIRS and (not opened or opened.pop()[0] != _PAIRS[text]):
            told = f"nothing in this tag opens the {text.decode()!r}"
            yield Fault(offset=match.start(), message=told)
            return
    for text, offset in opened[:1]:
        yield Fault(offset=offset, message=f"nothing in this tag closes the {text.decode()!r}")


def _blocks(content: bytes, found: Sequence[Tag]) -> Iterator[Fault]:
    opened: list[Tag] = []
    for tag in found:
        if tag.word in _BLOCKS or _is_block_set(content, tag):
            opened.append(tag)
        elif tag.word in {"elif", "else"} and not _is_within(opened, {"if", "for"}):
            yield Fault(offset=tag.start, message=f"{tag.word!r} stands in no 'if'")
        elif tag.word in _ENDERS and not _is_within(opened, {_ENDERS[tag.word]}):
            yield Fault(
                offset=tag.start, message=f"{tag.word!r} ends no open {_ENDERS[tag.word]!r}"
            )
            return
        elif tag.word in _ENDERS:
            opened.pop()
    for tag in opened:
        yield Fault(offset=tag.start, message=f"the {tag.word!r} that starts here has no end")


def _is_within(opened: Sequence[Tag], words: set[str]) -> bool:
    return bool(opened) and opened[-1].word in words


def _is_block_set(content: bytes, tag: Tag) -> bool:
    """Tell whether the tag is `set name` without a value, which captures up to `endset`."""
    if tag.word != "set":
        return False
    tokens = [match[0] for match in _TOKEN.finditer(content, tag.start + 2, tag.end - 2)]
    return b"=" not in tokens


def _calls(tokens: Sequence[re.Match[bytes]]) -> Iterator[MacroCall]:
    for index, token in enumerate(tokens[:-1]):
        if tokens[index + 1][0] != b"(" or not _NAME.fullmatch(token[0]):
            continue
        first = index
        while first >= 2 and tokens[first - 1][0] == b"." and _NAME.fullmatch(tokens[first - 2][0]):  # noqa: PLR2004 - a dot and a name before it
            first -= 2
        if first and tokens[first - 1][0] in {b".", b"|", b"macro", b"is"}:
            continue
        closing, keywords = _arguments(tokens, index + 1)
        if closing is None:
            continue
        yield MacroCall(
            name=tuple(tokens[at][0].decode() for at in range(first, index + 1, 2)),
            start=tokens[first].start(),
            keywords=keywords,
        )


def _arguments(
    tokens: Sequence[re.Match[bytes]], opening: int
) -> tuple[int | None, dict[str, tuple[int, int]]]:
    """Return the index of the call's `)`, None without one, and its keyword arguments."""
    depth, edges = 0, [opening]
    for index in range(opening, len(tokens)):
        text = tokens[index][0]
        depth += (text in _PAIRS.values()) - (text in _PAIRS)
        if depth == 0:
            edges.append(index)
            break
        if text == b"," and depth == 1:
            edges.append(index)
    else:
        return None, {}
    keywords = {}
    for left, right in pairwise(edges):
        if right - left > 3 and tokens[left + 2][0] == b"=" and tokens[left + 3][0] != b"=":  # noqa: PLR2004 - `name`, `=` and a value stand between the edges
            span = (tokens[left + 3].start(), tokens[right - 1].end())
            keywords[tokens[left + 1][0].decode("utf-8", "replace")] = span
    return edges[-1], keywords
