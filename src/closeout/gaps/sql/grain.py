"""What one row of a query stands for, where the query itself states it."""

from __future__ import annotations

from closeout.gaps.sql.columns import is_varying
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import sql_selects
from closeout.parsing.sql_selects import Query, Select


def stated(source: ModelSource) -> tuple[str, ...]:
    """Return the columns of which the query gives one row for each value; none where none is told.

    A GROUP BY tells it, and what selects from that one query alone and passes its columns on.
    """
    queries = sql_selects.queries(source.tokens)
    return _grain(source, {query.name: query for query in queries if query.name}, queries[0], 0)


def _grain(
    source: ModelSource, named: dict[str, Query], query: Query, depth: int
) -> tuple[str, ...]:
    branch = query.branches[0] if len(query.branches) == 1 else None
    if branch is None or depth > len(named) or is_varying(source.content, source.tokens, branch):
        return ()
    if branch.grouped is not None:
        return _grouped(source, branch, branch.grouped)
    if len(branch.sources) != 1 or branch.sources[0].is_query:
        return ()
    inner = named.get(sql_selects.plain(source.tokens[branch.sources[0].token]))
    key = _grain(source, named, inner, depth + 1) if inner is not None else ()
    return key if key and _passes_on(source, branch, key) else ()


def _grouped(source: ModelSource, branch: Select, span: tuple[int, int]) -> tuple[str, ...]:
    """Return the names that the select list gives to the terms of GROUP BY, all or none."""
    terms: list[list[str]] = [[]]
    for token in source.tokens[span[0] : span[1] + 1]:
        if token.text == ",":
            terms.append([])
        else:
            terms[-1].append(sql_selects.plain(token))
    found = []
    for words in terms:
        name = _name(source, branch, words)
        if name is None:
            return ()
        found.append(name)
    return tuple(found)


def _name(source: ModelSource, branch: Select, words: list[str]) -> str | None:
    """Return the output column that is one term: a number in the list, or a column in it."""
    if len(words) == 1 and words[0].isdigit():
        number = int(words[0]) - 1
        return branch.items[number].name if number < len(branch.items) else None
    for item in branch.items:
        value = [sql_selects.plain(token) for token in source.tokens[item.first : item.last + 1]]
        if item.name is not None and words in (value, [item.name]):
            return item.name
    return None


def _passes_on(source: ModelSource, branch: Select, key: tuple[str, ...]) -> bool:
    """Tell whether each column of the key goes out under its own name."""
    given = {item.name for item in branch.items if not item.is_alias}
    starred = any(source.tokens[item.last].text == "*" for item in branch.items)
    made = {item.name for item in branch.items if item.is_alias}
    return all((name in given or starred) and name not in made for name in key)
