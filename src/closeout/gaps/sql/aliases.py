"""Aliases used beside their own definition, which PostgreSQL does not know there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from closeout.fs.text_edit import Splice
from closeout.gaps.sql.columns import QueryReading
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import sql_selects
from closeout.parsing.sql_selects import Item, Select

_NAMING = frozenset(
    ["AS", "AT", "OVER", "COLLATE", "INTERVAL", "WITHOUT", "WITH", "CURRENT", ".", "::", ":"]
)
"""After these a word names something else than a column."""
_AGGREGATES = frozenset(
    [
        *("SUM", "COUNT", "AVG", "MIN", "MAX", "STDDEV", "VARIANCE", "ARRAY_AGG", "STRING_AGG"),
        *("BOOL_AND", "BOOL_OR", "EVERY", "JSON_AGG", "JSONB_AGG", "STDDEV_POP", "STDDEV_SAMP"),
        *("VAR_POP", "VAR_SAMP", "PERCENTILE_CONT", "PERCENTILE_DISC", "MODE", "CORR"),
    ]
)
_VOLATILE = frozenset(
    ["RANDOM", "NEXTVAL", "SETVAL", "CLOCK_TIMESTAMP", "GEN_RANDOM_UUID", "UUID_GENERATE_V4"]
)
_LONGEST = 1000
"""Bytes of an expression that is still repeated; a longer one is left to a person."""


def lateral(source: ModelSource) -> Iterator[Defect]:
    """Yield the uses of an alias beside its own definition, where no input has such a column."""
    reading = QueryReading(source.project.columns, source.content, source.tokens)
    for branch in source.selects:
        yield from _laterals(source, branch, reading.inputs(branch))


def _laterals(
    source: ModelSource, branch: Select, known: frozenset[str] | None
) -> Iterator[Defect]:
    aliases: dict[str, Item] = {}
    uses: dict[str, list[tuple[int, str]]] = {}
    listed = [(item.first, item.last, item, "") for item in branch.items]
    clauses = [(*span, None, source.tokens[span[0] - 1].text) for span in branch.conditions]
    for first, last, item, clause in [*listed, *clauses]:
        for index in _own_tokens(source, first, last) if aliases else ():
            name = _used(source, index)
            if name is None or name not in aliases:
                continue
            if known is None:
                known = source.project.columns.everywhere(source.path, source.tokens)
            if name not in known:
                uses.setdefault(name, []).append((index, clause.upper()))
        if item is not None and (alias := _alias(source, item)) is not None:
            aliases.setdefault(alias, item)
    for name, places in uses.items():
        yield Defect(
            offset=source.tokens[places[0][0]].start,
            message=f"the alias {name!r} is not known beside its own definition",
            mend=_repeated(source, aliases[name], places),
            advice="repeat the expression, or name it in a subquery and select from that.",
        )


def _repeated(
    source: ModelSource, item: Item, places: Sequence[tuple[int, str]]
) -> tuple[Splice, ...]:
    """Return the edits that put the expression where its alias is used, none where it may not be.

    What gives another value each time, and an aggregate or a window function where PostgreSQL
    takes none, stays.
    """
    tokens = source.tokens[item.first : item.last - 1]
    start, end = tokens[0].start, tokens[-1].end
    words = {token.text.upper() for token in tokens}
    if end - start > _LONGEST or not words.isdisjoint(_VOLATILE):
        return ()
    is_window = "OVER" in words
    if is_window or not words.isdisjoint(_AGGREGATES):
        refused = {"WHERE", "HAVING"} if is_window else {"WHERE"}
        if any(clause in refused or _is_inside_one(source, at) for at, clause in places):
            return ()
    text = f"({source.text(start, end)})"
    return tuple(
        Splice(start=source.tokens[at].start, end=source.tokens[at].end, text=text)
        for at, _ in places
    )


def _is_inside_one(source: ModelSource, index: int) -> bool:
    """Tell whether token `index` stands in an aggregate's or a window's parentheses."""
    place = source.tokens[index].start
    return any(
        call.name in {*_AGGREGATES, "OVER", "FILTER"} and call.start < place < call.end
        for call in source.calls
    )


def _alias(source: ModelSource, item: Item) -> str | None:
    """Return the name that AS gives to a new value, None where Jinja makes up the name."""
    token = source.tokens[item.last]
    written = source.content[token.start : token.end]
    return item.name if item.is_alias and written == token.text.encode() else None


def _own_tokens(source: ModelSource, first: int, last: int) -> Iterator[int]:
    """Yield the indices from `first` to `last` that stand in no inner query."""
    closing = source.closing
    index = first
    while index <= closing.get(last, last):
        if index in closing and sql_selects.is_query(source.tokens, index):
            index = closing[index]
        else:
            yield index
        index += 1


def _used(source: ModelSource, index: int) -> str | None:
    """Return the column's name where the token at `index` is a column without a table's name."""
    token = source.tokens[index]
    if token.kind not in {"word", "identifier"}:
        return None
    before = source.tokens[max(index - 1, 0) : index]
    after = source.tokens[index + 1 : index + 2]
    if any(each.kind == "string" for each in (*before, *after)):
        return None
    ahead, behind = ([each.text.upper() for each in beside] for beside in (before, after))
    if not _NAMING.isdisjoint(ahead) or behind in (["("], ["."], ["=>"], [":="]):
        return None
    return None if (ahead, behind) == (["("], ["FROM"]) else sql_selects.plain(token)
