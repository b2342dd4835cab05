"""Locate the parts of queries in SQL tokens: UNION branches, select lists, aliases, sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from closeout.parsing.sql import Token

_SET_WORDS = frozenset(["UNION", "INTERSECT", "EXCEPT"])
_CLAUSES = frozenset(
    [
        *("FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH"),
        *("INTO", "QUALIFY"),
    ]
)
_JOINS = frozenset(["JOIN", "CROSS", "NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "OUTER"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of a select list: token indices `first` up to `last`.

    `name` is the column's name in lower case, None where PostgreSQL or Jinja makes it up.
    """

    first: int
    last: int
    name: str | None
    is_alias: bool
    """Whether AS gives the name to something that is not a column of that name."""
    is_open: bool
    """Whether it may be any number of columns: a star, or Jinja alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectSource:
    """What FROM or JOIN names: one token, or the query in the parenthesis at `token`."""

    token: int
    is_query: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """One SELECT: the index of its word, its list, its sources, its WHERE and HAVING, its GROUP BY.

    The spans are token indices, the first and the last.
    """

    first: int
    last: int
    items: tuple[Item, ...]
    sources: tuple[SelectSource, ...]
    conditions: tuple[tuple[int, int], ...]
    grouped: tuple[int, int] | None
    """The terms of GROUP BY."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The branches of one query, None for a branch that is no plain SELECT; `name` is its WITH's.

    `opening` is the index of the parenthesis around it, -1 for the whole text.
    """

    opening: int
    name: str | None
    branches: tuple[Select | None, ...]


def partners(sequence: Sequence[Token]) -> dict[int, int]:
    """Return the index of each closed `(`, to that of its `)`."""
    opened: list[int] = []
    found: dict[int, int] = {}
    for index, token in enumerate(sequence):
        if token.text == "(":
            opened.append(index)
        elif token.text == ")" and opened:
            found[opened.pop()] = index
    return found


def queries(sequence: Sequence[Token]) -> tuple[Query, ...]:
    """Return every query of `sequence`, the whole text first."""
    closing = partners(sequence)
    scopes = [(-1, len(sequence))]
    scopes += [(start, end) for start, end in closing.items() if is_query(sequence, start)]
    return tuple(
        Query(
            opening=start,
            name=_with_name(sequence, start),
            branches=tuple(_branches(sequence, level(start, end, closing), closing)),
        )
        for start, end in scopes
    )


def is_query(sequence: Sequence[Token], opening: int) -> bool:
    """Tell whether the parenthesis at `opening` holds a query."""
    return opening + 1 < len(sequence) and sequence[opening + 1].text.upper() in {"SELECT", "WITH"}


def level(start: int, end: int, closing: Mapping[int, int]) -> list[int]:
    """Return the indices between `start` and `end` in no deeper parenthesis; `(` stands for its."""
    found = []
    index = start + 1
    while index < end:
        found.append(index)
        index = closing.get(index, index) + 1
    return found


def _with_name(sequence: Sequence[Token], opening: int) -> str | None:
    """Return the name in `name AS (`, `name AS MATERIALIZED (`; None for other parentheses."""
    at = opening - 1
    while at > 0 and sequence[at].text.upper() in {"MATERIALIZED", "NOT"}:
        at -= 1
    if at < 1 or sequence[at].text.upper() != "AS" or sequence[at - 1].kind == "symbol":
        return None
    return plain(sequence[at - 1])


def first_word(token: Token) -> str:
    """Return the token's first word in capitals; `group by` is one token."""
    return token.text.upper().split(None, 1)[0]


def plain(token: Token) -> str:
    """Return the name that a word or a quoted identifier stands for."""
    return token.text[1:-1] if token.kind == "identifier" else token.text.lower()


def _branches(
    sequence: Sequence[Token], level: list[int], closing: dict[int, int]
) -> Iterator[Select | None]:
    part: list[int] = []
    for index in level:
        following = sequence[index + 1].text if index + 1 < len(sequence) else ""
        is_star_except = following == "(" and not is_query(sequence, index + 1)
        if sequence[index].text.upper() in _SET_WORDS and not is_star_except:
            yield _select(sequence, part, closing)
            part = []
        else:
            part.append(index)
    yield _select(sequence, part, closing)


def _select(sequence: Sequence[Token], part: list[int], closing: dict[int, int]) -> Select | None:
    words = [first_word(sequence[index]) for index in part]
    if words.count("SELECT") != 1:
        return None
    begin = words.index("SELECT")
    clauses = [at for at in range(begin + 1, len(part)) if _is_clause(words, at)]
    edges = [begin, *clauses, len(part)]
    spans = {words[left]: (left + 1, right) for left, right in pairwise(edges)}
    listed = part[_list_start(words, begin) : edges[1]]
    low, high = spans.get("FROM", (0, 0))
    conditions = [spans[word] for word in ("WHERE", "HAVING") if word in spans]
    return Select(
        first=part[begin],
        last=part[edges[1] - 1],
        items=tuple(_items(sequence, listed, closing)),
        sources=tuple(_sources(sequence, part[low:high])),
        conditions=tuple(
            (part[left], part[right - 1]) for left, right in conditions if left < right
        ),
        grouped=_terms(sequence, part, spans.get("GROUP")),
    )


def _terms(
    sequence: Sequence[Token], part: list[int], span: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Return what follows GROUP BY."""
    if span is None:
        return None
    listed = part[span[0] : span[1]]
    if listed and sequence[listed[0]].text.upper() == "BY":
        listed = listed[1:]
    return (listed[0], listed[-1]) if listed else None


def _is_clause(words: list[str], at: int) -> bool:
    if words[at] not in _CLAUSES:
        return False
    before = words[at - 1]
    return not (words[at] == "FROM" and before == "DISTINCT") and not (
        words[at] == "GROUP" and before == "WITHIN"
    )


def _list_start(words: list[str], begin: int) -> int:
    at = begin + 1
    if words[at : at + 1] in (["ALL"], ["DISTINCT"]):
        at += 1
        if words[at : at + 2] == ["ON", "("]:
            at += 2
    return at


def _items(sequence: Sequence[Token], listed: list[int], closing: dict[int, int]) -> Iterator[Item]:
    entry: list[int] = []
    for index in listed:
        if sequence[index].text != ",":
            entry.append(index)
        elif entry:
            yield _item(sequence, entry, closing)
            entry = []
    if entry:
        yield _item(sequence, entry, closing)


def _item(sequence: Sequence[Token], entry: list[int], closing: dict[int, int]) -> Item:
    found = [sequence[index] for index in entry]
    last = found[-1]
    named = last.kind in {"word", "identifier"}
    has_as = len(found) > 2 and found[-2].text.upper() == "AS" and named  # noqa: PLR2004 - an expression stands before AS
    value = found[:-2] if has_as else found
    is_column = value[-1].kind in {"word", "identifier"} and all(
        token.text == "." for token in value[1::2]
    )
    column = plain(value[-1]) if is_column and len(value) % 2 else None
    name = plain(last) if has_as else column
    return Item(
        first=entry[0],
        last=closing.get(entry[-1], entry[-1]),
        name=name,
        is_alias=has_as and column != name,
        is_open=last.text == "*" or (not has_as and set(last.text) == {"_"}),
    )


def _sources(sequence: Sequence[Token], part: list[int]) -> Iterator[SelectSource]:
    expected = True
    for index in part:
        word = sequence[index].text.upper()
        if word in {",", "JOIN"}:
            expected = True
        elif expected and word not in {*_JOINS, "LATERAL", "ONLY"}:
            expected = False
            yield SelectSource(token=index, is_query=is_query(sequence, index))
