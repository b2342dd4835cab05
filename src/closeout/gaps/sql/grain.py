"""What one row of a query stands for, where the query itself states it."""

from __future__ import annotations

from closeout.gaps.sql.columns import is_varying
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import sql_selects
from closeout.parsing.sql_selects import Item, Query, Select

_FILLED = ["is", "not", "null"]
_MIXED = frozenset(["OR", "NOT", "BETWEEN", "CASE"])


KeyColumn = tuple[str, bool]
"""The name of a column of a key, and whether nothing lets it be NULL."""


def stated(source: ModelSource) -> tuple[KeyColumn, ...]:
    """Return the columns of which the query gives one row for each value; none where none is told.

    A GROUP BY tells it, and what selects from that one query alone and passes its columns on.
    """
    queries = source.queries
    return _grain(source, {query.name: query for query in queries if query.name}, queries[0], 0)


def _grain(
    source: ModelSource, named: dict[str, Query], query: Query, depth: int
) -> tuple[KeyColumn, ...]:
    branch = query.branches[0] if len(query.branches) == 1 else None
    if branch is None or depth > len(named) or is_varying(source.content, source.tokens, branch):
        return ()
    if branch.grouped is not None:
        required = source.project.required.get(source.path.stem, frozenset())
        return tuple(
            (item.name or "", item.name in required or _is_filled(source, branch, item))
            for item in grouped(source, branch)
        )
    if len(branch.sources) != 1 or branch.sources[0].is_query:
        return ()
    inner = named.get(sql_selects.plain(source.tokens[branch.sources[0].token]))
    key = _grain(source, named, inner, depth + 1) if inner is not None else ()
    return key if key and passes_on(source, branch, {name for name, _ in key}) else ()


def grouped(source: ModelSource, branch: Select) -> tuple[Item, ...]:
    """Return the items of the select list that are the terms of GROUP BY, all or none."""
    if branch.grouped is None:
        return ()
    found = [_item(source, branch, words) for words in _parts(source, branch.grouped, ",")]
    named = tuple(item for item in found if item is not None and item.name is not None)
    return named if len(named) == len(found) else ()


def _parts(source: ModelSource, span: tuple[int, int], separator: str) -> list[list[str]]:
    """Return the words of what the separator parts between two tokens."""
    parts: list[list[str]] = [[]]
    for token in source.tokens[span[0] : span[1] + 1]:
        if token.text.upper() == separator:
            parts.append([])
        else:
            parts[-1].append(sql_selects.plain(token))
    return parts


def _item(source: ModelSource, branch: Select, words: list[str]) -> Item | None:
    """Return the output column that is one term: a number in the list, or a column in it."""
    if len(words) == 1 and words[0].isdigit():
        number = int(words[0]) - 1
        return branch.items[number] if number < len(branch.items) else None
    for item in branch.items:
        if item.name is not None and words in (source.words(item.first, item.last), [item.name]):
            return item
    return None


def _is_filled(source: ModelSource, branch: Select, item: Item) -> bool:
    """Tell whether the item ends a COALESCE with a value, or its query leaves its NULLs out."""
    value = source.tokens[item.first : item.last + 1]
    call = source.calls_at.get(value[0].start)
    if call is not None and call.name == "COALESCE" and call.arguments:
        after = source.ends[call.end]
        last = source.tokens[source.starts[call.arguments[-1][0]]]
        alone = after > item.last or source.tokens[after].text.upper() == "AS"
        return alone and (last.kind == "string" or last.text.isdigit())
    column = words_of(source, item)
    return any(_leaves_out(source, span, column) for span in branch.conditions)


def words_of(source: ModelSource, item: Item) -> list[str]:
    """Return the words of an item's value, without the name that it is given."""
    words = source.words(item.first, item.last)
    return words[: words.index("as")] if "as" in words else words


def _leaves_out(source: ModelSource, span: tuple[int, int], column: list[str]) -> bool:
    """Tell whether `column IS NOT NULL` is one of the conditions that AND joins, in any case."""
    first, last = (source.tokens[index] for index in span)
    if b"{%" in source.content[first.start : last.end]:
        return False
    terms = _parts(source, span, "AND")
    filled = [*column, *_FILLED]
    rest = [term[: -len(_FILLED)] if term[-len(_FILLED) :] == _FILLED else term for term in terms]
    others = {word.upper() for term in rest for word in term}
    return filled in terms and _MIXED.isdisjoint(others)


def passes_on(source: ModelSource, branch: Select, names: set[str]) -> bool:
    """Tell whether each of the columns goes out under its own name."""
    given = {item.name for item in branch.items if not item.is_alias}
    starred = any(source.tokens[item.last].text == "*" for item in branch.items)
    made = {item.name for item in branch.items if item.is_alias}
    return all((name in given or starred) and name not in made for name in names)
