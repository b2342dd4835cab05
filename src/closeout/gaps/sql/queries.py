"""Queries that PostgreSQL refuses: branches of unequal width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import jinja


def uneven_branches(source: ModelSource) -> Iterator[Defect]:
    """Yield the branches of a UNION that give another number of columns than an earlier one."""
    if not any(token.text.upper() in {"UNION", "INTERSECT", "EXCEPT"} for token in source.tokens):
        return
    places = _places(source.content)
    widths = source.project.columns.widths(source.content, source.tokens)
    for query in source.queries:
        earlier: list[tuple[int, frozenset[tuple[int, int]]]] = []
        for branch in query.branches:
            width = widths[branch.first] if branch is not None else None
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
