"""Queries that PostgreSQL refuses: branches of unequal width, aliases used beside themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from closeout.gaps.sql.columns import is_varying
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import jinja, sql_selects
from closeout.parsing.sql import Token
from closeout.parsing.sql_selects import Item, Select

_NAMING = frozenset(["AS", "AT", "OVER", "COLLATE", "INTERVAL", "WITHOUT", "WITH", "CURRENT"])
"""Words after which a word names something else than a column."""


def uneven_branches(source: ModelSource) -> Iterator[Defect]:
    """Yield the branches of a UNION that give another number of columns than an earlier one."""
    if not any(token.text.upper() in {"UNION", "INTERSECT", "EXCEPT"} for token in source.tokens):
        return
    places = _places(source.content)
    for query in sql_selects.queries(source.tokens):
        earlier: list[tuple[int, frozenset[tuple[int, int]]]] = []
        for branch in query.branches:
            width = _width(source, branch)
            if branch is None or width is None:
                continue
            offset = source.tokens[branch.first].start
            here = _branch_of(places, offset)
            other = next((wide for wide, there in earlier if _together(here, there)), width)
            if other != width:
                yield Defect(
                    offset=offset,
                    message=f"this branch gives {width} columns, an earlier one {other}",
                    advice="name the same columns in every branch, in the same order.",
                )
            earlier.append((width, here))


def _width(source: ModelSource, branch: Select | None) -> int | None:
    """Return the number of columns; None where a star or Jinja decides it."""
    if branch is None or not branch.items or any(item.is_open for item in branch.items):
        return None
    return None if is_varying(source.content, source.tokens, branch) else len(branch.items)


def _places(content: bytes) -> list[tuple[int, int, int, int]]:
    """Return every branch of every `if`: its span, the `if`'s number and the branch's."""
    return [
        (branch.start, branch.end, number, index)
        for number, branches in enumerate(jinja.alternatives(content))
        for index, branch in enumerate(branches)
    ]


def _branch_of(
    places: Sequence[tuple[int, int, int, int]], offset: int
) -> frozenset[tuple[int, int]]:
    return frozenset(
        (number, index) for start, end, number, index in places if start <= offset < end
    )


def _together(one: frozenset[tuple[int, int]], other: frozenset[tuple[int, int]]) -> bool:
    """Tell whether no `if` chooses between the two."""
    chosen = dict(one)
    return all(chosen.get(number, index) == index for number, index in other)


def lateral_aliases(source: ModelSource) -> Iterator[Defect]:
    """Yield the uses of an alias beside its own definition, where no input has such a column."""
    columns = source.project.columns
    inputs = columns.inputs(source.content, source.tokens)
    for query in sql_selects.queries(source.tokens):
        for branch in query.branches:
            if branch is not None:
                yield from _laterals(source, branch, inputs[branch.first])


def _laterals(
    source: ModelSource, branch: Select, known: frozenset[str] | None
) -> Iterator[Defect]:
    aliases: set[str] = set()
    told: set[str] = set()
    listed = [(item.first, item.last, _alias(source, item)) for item in branch.items]
    for first, last, alias in [*listed, *((*span, None) for span in branch.conditions)]:
        for index in _own_tokens(source.tokens, first, last) if aliases else ():
            name = _used(source, index)
            if name is None or name not in aliases or name in told:
                continue
            if known is None:
                known = source.project.columns.everywhere(source.path, source.tokens)
            if name in known:
                continue
            told.add(name)
            yield Defect(
                offset=source.tokens[index].start,
                message=f"the alias {name!r} is not known beside its own definition",
                advice="repeat the expression, or name it in a subquery and select from that.",
            )
        if alias is not None:
            aliases.add(alias)


def _alias(source: ModelSource, item: Item) -> str | None:
    """Return the name that AS gives to a new value, None where Jinja makes up the name."""
    token = source.tokens[item.last]
    written = source.content[token.start : token.end]
    return item.name if item.is_alias and written == token.text.encode() else None


def _own_tokens(tokens: Sequence[Token], first: int, last: int) -> Iterator[int]:
    """Yield the indices from `first` to `last` that stand in no inner query."""
    closing = sql_selects.partners(tokens)
    index = first
    while index <= closing.get(last, last):
        if index in closing and sql_selects.is_query(tokens, index):
            index = closing[index]
        else:
            yield index
        index += 1


def _used(source: ModelSource, index: int) -> str | None:
    """Return the column's name where the token at `index` is a column without a table's name."""
    token = source.tokens[index]
    if token.kind not in {"word", "identifier"}:
        return None
    before = source.tokens[index - 1] if index else None
    after = source.tokens[index + 1] if index + 1 < len(source.tokens) else None
    if before is not None and (
        before.text in {".", "::", ":"} or before.kind == "string" or before.text.upper() in _NAMING
    ):
        return None
    if after is not None and (after.text in {"(", ".", "=>", ":="} or after.kind == "string"):
        return None
    if (
        before is not None
        and before.text == "("
        and after is not None
        and after.text.upper() == "FROM"
    ):
        return None
    return sql_selects.plain(token)
