"""Locate code in SQL that Jinja renders: tokens, calls, parentheses, as byte offsets.

Jinja is masked before anything is read as SQL (`closeout.parsing.jinja`). Nothing is rendered, so a
macro's output is unknown here; what needs it is judged on the compiled SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice, pairwise
from sys import intern

from msgspec import Struct

from closeout.parsing import jinja

SIZE_CAP = 256 * 1024
"""Bytes; a longer text is no model that a person wrote."""

_MANY = 20
"""Lone parentheses that are still told apart; a text with more is broken as a whole."""

_WORD = re.compile(r"[A-Za-z_]\w*")


class UnreadableSqlError(ValueError):
    """The text cannot be cut into SQL tokens: an open string or comment."""


class Side(Enum):
    """Which half of a pair of parentheses is missing."""

    CLOSING = ")"
    OPENING = "("


class Token(Struct, frozen=True, kw_only=True):
    """One SQL token at bytes `start` up to `end`; `kind` is word, string, identifier or symbol."""

    text: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlCall:
    """A function call: its name's start, the byte after its `)`, and each argument's span."""

    name: str
    qualified: bool
    """Whether a schema stands before the name."""
    start: int
    end: int
    arguments: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """A parenthesis without its partner.

    `offset` is the lone parenthesis, `insert_at` the one byte offset where its partner belongs;
    None where more than one place is possible.
    """

    missing: Side
    offset: int
    insert_at: int | None = None


@lru_cache(maxsize=128)
def tokens(content: bytes) -> tuple[Token, ...]:
    """Return the SQL tokens of `content`, comments left out.

    Raises UnreadableSqlError where a string or a comment does not end, and above the size cap.
    """
    from sqlglot import TokenType  # noqa: PLC0415 - slow to import, seldom needed
    from sqlglot.dialects.postgres import Postgres  # noqa: PLC0415 - the same
    from sqlglot.errors import TokenError  # noqa: PLC0415 - the same

    if len(content) > SIZE_CAP:
        message = f"longer than {SIZE_CAP} bytes"
        raise UnreadableSqlError(message)
    masked = jinja.mask(content).decode("ascii")
    try:
        found = Postgres().tokenize(masked)
    except TokenError as error:
        raise UnreadableSqlError(str(error)) from error
    kinds = {TokenType.STRING: "string", TokenType.IDENTIFIER: "identifier"}
    made = []
    for token in found:
        text = intern(masked[token.start : token.end + 1])
        default = "word" if _WORD.fullmatch(text) else "symbol"
        made.append(
            Token(
                text=text,
                kind=kinds.get(token.token_type, default),
                start=token.start,
                end=token.end + 1,
            )
        )
    return tuple(made)


def calls(sequence: Sequence[Token]) -> Iterator[SqlCall]:
    """Yield every complete `word(...)` in `sequence`, from left to right.

    A keyword before a parenthesis, such as AS or IN, is yielded like a function.
    """
    groups = _groups(sequence)
    for index, token in enumerate(sequence[:-1]):
        group = groups.get(index + 1)
        if token.kind != "word" or group is None:
            continue
        edges = [index + 1, *group]
        yield SqlCall(
            name=token.text.upper(),
            qualified=index > 0 and sequence[index - 1].text == ".",
            start=token.start,
            end=sequence[edges[-1]].end,
            arguments=tuple(
                (sequence[left + 1].start, sequence[right - 1].end)
                for left, right in pairwise(edges)
                if right > left + 1
            ),
        )


def imbalances(content: bytes) -> tuple[Imbalance, ...]:
    """Return the parentheses of `content` without a partner.

    Jinja branches are alternatives: the text is read once with every first branch and once with
    every last one, and a file that balances both ways is balanced.
    Raises UnreadableSqlError as `tokens` does.
    """
    alternatives = [
        [(item.start, item.end) for item in branches] for branches in jinja.alternatives(content)
    ]
    but_first = [span for branches in alternatives for span in branches[1:]]
    but_last = [span for branches in alternatives for span in branches[:-1] or branches]
    for dropped in (but_first, but_last):
        found = _imbalances(tokens(jinja.blank(content, dropped)))
        if found:
            return found
    return ()


def _imbalances(sequence: Sequence[Token]) -> tuple[Imbalance, ...]:
    opened: list[int] = []
    for index, token in enumerate(sequence):
        if token.text == "(":
            opened.append(index)
        elif token.text == ")":
            if not opened:
                return (Imbalance(missing=Side.OPENING, offset=token.start),)
            opened.pop()
    if not opened:
        return ()
    located = tuple(islice(_unclosed_before_alias(sequence), _MANY + 1))
    if len(located) == len(opened) and len(located) <= _MANY:
        return located
    return tuple(
        Imbalance(missing=Side.CLOSING, offset=sequence[index].start) for index in opened[:_MANY]
    )


def _unclosed_before_alias(sequence: Sequence[Token]) -> Iterator[Imbalance]:
    """Yield the groups that an alias ends: `(a / b AS name,` lacks its `)` before AS.

    A stack alone would blame the outermost parenthesis, since every later `)` closes the wrong one.
    """
    opened: list[int] = []
    for index, token in enumerate(sequence):
        if token.text == "(":
            opened.append(index)
        elif token.text == ")" and opened:
            opened.pop()
        while opened and _is_alias(sequence, index) and _is_expression(sequence, opened[-1]):
            yield Imbalance(
                missing=Side.CLOSING,
                offset=sequence[opened.pop()].start,
                insert_at=sequence[index - 1].end,
            )


def _is_alias(sequence: Sequence[Token], index: int) -> bool:
    """Tell whether AS at `index` names a column: a word, then a comma, FROM, or a closing one."""
    if sequence[index].text.upper() != "AS" or index + 2 > len(sequence):
        return False
    named = sequence[index + 1].kind in {"word", "identifier"}
    after = sequence[index + 2].text.upper() if index + 2 < len(sequence) else ""
    return named and after in {",", "FROM", "", ")"}


def _is_expression(sequence: Sequence[Token], opening: int) -> bool:
    """Tell whether the parenthesis at `opening` holds an expression, in which AS has no place."""
    before = sequence[opening - 1].text.upper() if opening else ""
    after = sequence[opening + 1].text.upper() if opening + 1 < len(sequence) else ""
    return before not in {"CAST", "TRY_CAST", "XMLFOREST", "XMLATTRIBUTES"} and after not in {
        "SELECT",
        "WITH",
        "VALUES",
    }


def _groups(sequence: Sequence[Token]) -> dict[int, list[int]]:
    """Return, for the index of each closed `(`, those of its own commas and of its `)`."""
    groups: dict[int, list[int]] = {}
    opened: list[tuple[int, list[int]]] = []
    for index, token in enumerate(sequence):
        if token.text in {"(", "["}:
            opened.append((index, []))
        elif token.text == "," and opened:
            opened[-1][1].append(index)
        elif token.text in {")", "]"} and opened:
            opening, edges = opened.pop()
            if sequence[opening].text == "(" and token.text == ")":
                groups[opening] = [*edges, index]
    return groups
