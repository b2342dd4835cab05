"""The column by which an incremental model takes in new rows, where all rows of a day go together.

A model whose own filter is `day >= (select max(day) from {{ this }})` makes whole days anew. They
can be deleted and inserted whole: no row is there twice, whatever else of it is NULL, and a day
that no source holds any more stays.
"""

from __future__ import annotations

import re

from closeout.gaps.sql import grain
from closeout.gaps.sql.source import ModelSource, read
from closeout.parsing import jinja, sql_selects
from closeout.parsing.sql import UnreadableSqlError
from closeout.parsing.sql_selects import Item, Query, Select, SelectSource

INCREMENTAL = "is_incremental()"
_THIS = re.compile(rb"\{\{-?\s*this\s*-?\}\}")
_REF = re.compile(rb"""\{\{-?\s*ref\(\s*['"](\w+)['"]\s*\)\s*-?\}\}""")
_SERIES = frozenset(["LAG", "LEAD", "AVG", "SUM", "STDDEV"])
"""Window functions over the days of one thing; a number of a row chooses among its versions."""
_KEEPING = frozenset(["COALESCE", "DATE", "DATE_TRUNC", "CAST"])
"""Calls that make a day of the day itself."""
_DEEPEST = 10


def stated(source: ModelSource) -> str | None:
    """Return the column whose rows the model makes anew together, None where none is certain.

    It has to be a day that rows keep: the model looks back along it, or its rows are sums of that
    day. The time of a row's last change is none; an older version of the row would stay.
    """
    query = source.queries[0]
    branch = query.branches[0] if len(query.branches) == 1 else None
    if branch is None:
        return None
    name = _filtered(source, branch)
    if name is None or not grain.passes_on(source, branch, {name}) or not _is_kept(source, name):
        return None
    return name if _orders(source, name) or _is_term(source, query, name, 0) else None


def _filtered(source: ModelSource, branch: Select) -> str | None:
    """Return the column of a WHERE that is `column >= (select ... from {{ this }})` alone."""
    if len(branch.conditions) != 1 or len(_THIS.findall(source.content)) != 1:
        return None
    first, last = branch.conditions[0]
    texts = [token.text for token in source.tokens[first : first + 4]]
    step = next((step for step in (1, 3) if texts[step : step + 1] in ([">"], [">="])), None)
    if step is None or (step != 1 and texts[1] != "."):
        return None
    at = first + step
    if last != at + 1 or not _is_block(source, first, source.closing.get(last, last)):
        return None
    inner = next((each for each in source.queries if each.opening == at + 1), None)
    read_from = inner.branches[0].sources if inner and inner.branches[0] else ()
    if len(read_from) != 1:
        return None
    this = source.tokens[read_from[0].token]
    if not _THIS.fullmatch(source.content, this.start, this.end):
        return None
    return sql_selects.plain(source.tokens[at - 1])


def _is_block(source: ModelSource, first: int, last: int) -> bool:
    """Tell whether these tokens' WHERE is what the one incremental block of the model holds."""
    start, end = source.tokens[first - 1].start, source.tokens[last].end
    blocks = [
        branches
        for branches in jinja.alternatives(source.content)
        if any("is_incremental" in branch.condition for branch in branches)
    ]
    if len(blocks) != 1 or len(blocks[0]) != 1 or blocks[0][0].condition != INCREMENTAL:
        return False
    block = blocks[0][0]
    inside = [token for token in source.tokens if block.start <= token.start < block.end]
    return bool(inside) and (inside[0].start, inside[-1].end) == (start, end)


def _is_kept(source: ModelSource, name: str) -> bool:
    """Tell whether no query of the model makes the column of something else than a column."""
    items = (item for branch in source.selects for item in branch.items)
    return all(_is_column(source, item) for item in items if item.name == name)


def _is_column(source: ModelSource, item: Item) -> bool:
    tokens = source.tokens[item.first : item.last + 1]
    called = {tokens[at].text.upper() for at, token in enumerate(tokens[1:]) if token.text == "("}
    return called <= _KEEPING and not any(
        token.text.upper() in {"CASE", "CURRENT_DATE", "CURRENT_TIMESTAMP"}
        or set(token.text) == {"_"}
        for token in tokens
    )


def _orders(source: ModelSource, name: str) -> bool:
    """Tell whether window functions look along the column, and none chooses a row by it."""
    names = {call.end: call.name for call in source.calls}
    looking = set()
    for call in source.calls:
        index = source.starts[call.start]
        words = source.words(index, source.ends[call.end] - 1)
        if call.name != "OVER" or "order by" not in words:
            continue
        at = words.index("order by")
        if name in words[at:]:
            of_one_thing = "partition by" in words[:at] and name not in words[:at]
            function = names.get(source.tokens[index - 1].end)
            looking.add(function if of_one_thing and words[at + 1] == name else None)
    return bool(looking) and looking <= _SERIES


def _is_term(source: ModelSource, query: Query, name: str, depth: int) -> bool:
    """Tell whether the column is a term of the GROUP BY that its values come from."""
    branch = query.branches[0] if len(query.branches) == 1 else None
    if branch is None or depth > _DEEPEST:
        return False
    if branch.grouped is not None:
        return name in {item.name for item in grain.grouped(source, branch)}
    owner = ""
    item = next((item for item in branch.items if item.name == name), None)
    if item is not None:
        words = grain.words_of(source, item)
        if len(words) not in {1, 3} or words[1:2] not in ([], ["."]):
            return False
        owner, name = words[0] if words[1:] else "", words[-1]
    elif not any(source.tokens[each.last].text == "*" for each in branch.items):
        return False
    read_from = [each for each in branch.sources if not owner or owner in _names(source, each)]
    return len(read_from) == 1 and _comes_from(source, read_from[0], name, depth + 1)


def _comes_from(source: ModelSource, read_from: SelectSource, name: str, depth: int) -> bool:
    token = source.tokens[read_from.token]
    queries = source.queries
    if read_from.is_query:
        inner = next((each for each in queries if each.opening == read_from.token), None)
        return inner is not None and _is_term(source, inner, name, depth)
    ref = _REF.fullmatch(source.content, token.start, token.end)
    if ref is None:
        named = next((each for each in queries if each.name == sql_selects.plain(token)), None)
        return named is not None and _is_term(source, named, name, depth)
    path = next((p for p in source.project.models if p.stem == ref[1].decode()), None)
    content = source.project.columns.content(ref[1].decode())
    if path is None or content is None:
        return False
    try:
        other = read(path, content, source.project)
    except UnreadableSqlError:
        return False
    return _is_term(other, other.queries[0], name, depth)


def _names(source: ModelSource, read_from: SelectSource) -> set[str]:
    """Return the names that a source goes by: its own and its alias."""
    at = read_from.token
    names = set() if read_from.is_query else {sql_selects.plain(source.tokens[at])}
    after = source.closing.get(at, at) + 1
    if after < len(source.tokens) and source.tokens[after].text.upper() == "AS":
        after += 1
    return names | {sql_selects.plain(token) for token in source.tokens[after : after + 1]}
