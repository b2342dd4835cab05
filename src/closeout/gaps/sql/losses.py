"""Counts that one NULL takes out of a sum of several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from closeout.fs.text_edit import Splice
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import sql

_LOSSES = re.compile(r"mortalit|cull|death|died|dead|loss|lost", re.IGNORECASE)
_TOLD = "a NULL in one column drops the other one's count of that row"
Operand = tuple[str, tuple[int, int]]
"""The column that is added, or whose sum is, and the span of bytes."""
Chains = Mapping[tuple[int, int], Sequence[Operand]]
"""What `+` joins, by the span of the whole."""
_TERM = re.compile(
    r"""coalesce\(\s*(?:\w+\.)?"?(?P<filled>\w+)"?\s*,\s*0\s*\)|(?:\w+\.)?"?(?P<bare>\w+)"?"""
)


def lost_by_null(source: ModelSource) -> Iterator[Defect]:
    """Yield the sums of added counts in which one NULL drops the other count."""
    joined = chains(source)
    for call in filter(is_sum, source.calls):
        columns = added_columns(source, joined, *call.arguments[0])
        bare = [span for name, span in columns if name not in source.project.defaulted]
        if not bare or not any(_LOSSES.search(name) for name, _ in columns):
            continue
        yield Defect(offset=call.start, message=_TOLD, mend=_filled(bare))
    yield from _added_elsewhere(source, joined)


def is_sum(call: sql.SqlCall) -> bool:
    """Tell whether the call is `SUM(term)`."""
    return call.name == "SUM" and len(call.arguments) == 1


def _filled(spans: Sequence[tuple[int, int]]) -> tuple[Splice, ...]:
    """Return the edits that make a NULL count as none."""
    return tuple(
        splice
        for start, end in spans
        for splice in (
            Splice(start=start, end=start, text="COALESCE("),
            Splice(start=end, end=end, text=", 0)"),
        )
    )


def _added_elsewhere(source: ModelSource, joined: Chains) -> Iterator[Defect]:
    """Yield where the model adds once more what it sums, as counts of a row or as their sums.

    One expression would else know the losses of a batch of which the other one says NULL.
    """
    sums = filter(is_sum, source.calls)
    summed = {call: names for call in sums if (names := _summed(source, call))}
    totals = _totals(source)
    for (start, end), chain in joined.items() if summed else ():
        if any(call.start < start and end < call.end for call in summed):
            continue
        around = source.tokens[source.starts[start] - 1], *source.tokens[source.ends[end] :][:1]
        if any(token.text in {"-", "*", "/", "%"} for token in around):
            continue
        counts = [(totals.get(name, name), span) for name, span in chain]
        added = {name for name, _ in counts}
        if len(added) < len(chain) or not any(added <= each for each in summed.values()):
            continue
        bare = [span for name, span in counts if name not in source.project.defaulted]
        if bare and any(_LOSSES.search(name) for name in added):
            yield Defect(offset=start, message=_TOLD, mend=_filled(bare))


def _summed(source: ModelSource, call: sql.SqlCall) -> frozenset[str]:
    """Return the columns that a SUM adds up, each bare or with a NULL as none; or nothing."""
    start, end = call.arguments[0]
    terms = [_TERM.fullmatch(term.strip()) for term in source.text(start, end).lower().split("+")]
    names = frozenset(term["filled"] or term["bare"] for term in terms if term)
    return names if len(names) == len(terms) > 1 else frozenset()


def _totals(source: ModelSource) -> Mapping[str, str]:
    """Return the column that each name of the model's select lists is the bare SUM of."""
    found = {}
    for item in (item for branch in source.selects for item in branch.items):
        call = source.calls_at.get(source.tokens[item.first].start)
        column = _sum_of(source, call) if call is not None else None
        if call is None or column is None or item.name is None:
            continue
        if source.ends[call.end] == item.last - 1:  # AS and the name are what follows
            found[item.name] = column
    return found


def _sum_of(source: ModelSource, call: sql.SqlCall) -> str | None:
    """Return the column of `SUM(column)`."""
    if not is_sum(call):
        return None
    start, end = call.arguments[0]
    words = source.tokens[source.starts[start] : source.ends[end]]
    if words[-1].kind == "symbol" or [word.text for word in words[1:-1]] not in ([], ["."]):
        return None
    return words[-1].text.strip('"').lower()


def chains(source: ModelSource) -> Chains:
    """Return what `+` joins, column by column and sum by sum."""
    calls = {call.end: call for call in source.calls}
    found: list[list[Operand]] = []
    for index, token in enumerate(source.tokens):
        if token.text != "+" or index + 1 == len(source.tokens) or not index:
            continue
        left = calls.get(source.tokens[index - 1].end)
        first = _operand(source, left, index - 1, -1)
        right = source.calls_at.get(source.tokens[index + 1].start)
        second = _operand(source, right, index + 1, 1)
        if first is None or second is None:
            continue
        if found and found[-1][-1] == first:
            found[-1].append(second)
        else:
            found.append([first, second])
    return {(chain[0][1][0], chain[-1][1][1]): chain for chain in found}


def added_columns(source: ModelSource, joined: Chains, start: int, end: int) -> Sequence[Operand]:
    """Return the columns of `a + b` (or `t.a + t.b + ...`) between two bytes, else nothing."""
    chain = joined.get((start, end), ())
    return () if any(first in source.calls_at for _, (first, _) in chain) else chain


def _operand(
    source: ModelSource, call: sql.SqlCall | None, index: int, step: int
) -> Operand | None:
    """Return the sum or the column at token `index`, read to the left or to the right."""
    tokens = source.tokens
    if call is not None:
        column = _sum_of(source, call)
        around = tokens[source.ends[call.end] : source.ends[call.end] + 1]
        if column is None or any(token.text.upper() in {"OVER", "FILTER"} for token in around):
            return None
        return column, (call.start, call.end)
    other = index + 2 * step
    is_inside = min(index + step, other) >= 0 and other < len(tokens)
    is_dotted = is_inside and tokens[index + step].text == "."
    edges = sorted([index, other]) if is_dotted else [index, index]
    if any(tokens[at].kind not in {"word", "identifier"} for at in edges):
        return None
    following = [token.text for token in tokens[edges[1] + 1 : edges[1] + 2]]
    if following in (["("], ["."]):
        return None
    last = tokens[edges[1]]
    return last.text.strip('"').lower(), (tokens[edges[0]].start, last.end)
