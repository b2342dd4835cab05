"""Rows for a source that no seed fills: the same days of the same owners in every table.

Columns of one name hold the same keys, so that models which join tables find partners. Nothing
is drawn by chance: the figures of a model can be computed from the rows a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

DAYS = (5, 4, 6, 1, 3)
"""How many days each owner has: one of them a single one."""
_HOMES = 2
"""How many tenants, farms and the like there are: what stands above the owners in a hierarchy."""
_ABOVE = ("tenant", "organisation", "organization", "company", "account", "region", "farm", "site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table to fill: its type, and what its values have to be."""

    name: str
    kind: str
    is_unique: bool = False
    is_filled: bool = False
    """Whether a data test refuses NULL in it, or a model drops such rows."""
    is_absent: bool = False
    """Whether models want it to be NULL."""
    values: Sequence[str] = ()
    """What it may hold; empty for anything."""


def rows(columns: Sequence[Column], last: date) -> Iterator[Mapping[str, str]]:
    """Yield one row for every owner and day up to `last`: column to value, empty for NULL."""
    number = 0
    for owner, days in enumerate(DAYS):
        for day in range(days):
            moment = last - timedelta(days=max(DAYS) - 1 - day)
            yield {
                column.name: _value(column, owner, moment, number, index)
                for index, column in enumerate(columns)
            }
            number += 1


def _value(column: Column, owner: int, day: date, number: int, index: int) -> str:
    kind = column.kind.lower()
    text = f"{column.name} {number % 3 + 1}"
    if column.is_absent:
        text = ""
    elif column.is_unique:
        text = str(number + 1) if _is_figure(kind) else f"{column.name}-{number:03}"
    elif column.values:
        text = column.values[number % len(column.values)]
    elif kind.startswith("date"):
        text = day.isoformat()
    elif kind.startswith("timestamp"):
        text = datetime.combine(day, time(6 + index % 12, number % 60)).isoformat(" ")
    elif column.name.endswith("_id"):
        text = _key(column.name.removesuffix("_id"), kind, owner)
    elif kind.startswith("bool"):
        text = "true" if number % 3 else "false"
    elif _is_figure(kind):
        is_gap = not column.is_filled and number % 5 == 3  # noqa: PLR2004 - one row in five
        text = "" if is_gap else _figure(kind, number, index)
    return text


def _key(stem: str, kind: str, owner: int) -> str:
    number = (owner % _HOMES if stem in _ABOVE else owner) + 1
    return str(number) if _is_figure(kind) else f"{stem}-{number}"


def _is_figure(kind: str) -> bool:
    return kind.startswith(
        ("int", "bigint", "small", "numeric", "decimal", "double", "real", "float")
    )


def _figure(kind: str, number: int, index: int) -> str:
    whole = (number * 7 + index * 13) % 17 + 1
    return str(whole) if "int" in kind else f"{whole}.{(number * 3 + index) % 10}"
