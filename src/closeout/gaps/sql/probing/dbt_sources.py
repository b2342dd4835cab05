"""Give a pipeline the tables that its models read: those of its seeds, else as they are used."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from closeout.gaps.sql.probing import cohort, source_rows
from closeout.gaps.sql.probing.column_use import Uses
from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.gaps.sql.probing.source_rows import Column
from closeout.harness.databases import Database

DAILY = "daily_kpi"
_TYPE = re.compile(
    r"[A-Za-z][\w ]*(\(\s*\d+(\s*,\s*\d+)?\s*\))?( (with|without) time zone)?(\[\])?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A source's table that was made and filled here; `name` is quoted for SQL."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[cohort.Row, ...]

    @property
    def day(self) -> str | None:
        """Return the one column that is a date, None where there is none or several."""
        days = [column.name for column in self.columns if column.kind == "date"]
        return days[0] if len(days) == 1 else None


@dataclass(slots=True)
class Supplied:
    """What was made of the sources that no seed fills, and how sure that is."""

    tables: list[Table] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    guessed: bool = False
    """Whether a column's type is told by its use or name alone."""
    open: bool = False
    """Whether a table may lack columns, since a model reads it by a star or cannot be read."""
    failed: list[str] = field(default_factory=list)
    """Tables that were not made."""


def create(pipeline: Pipeline, uses: Uses) -> Supplied:
    """Create and fill the source tables that no seed makes: declared columns and used ones."""
    manifest = pipeline.manifest()
    nodes = manifest["nodes"].values()
    seeded = {(node["schema"], node["alias"]) for node in nodes if node["resource_type"] == "seed"}
    made = Supplied(open=bool(uses.unread))
    for number, source in manifest["sources"].items():
        place = (source["schema"], source["identifier"])
        if place not in seeded:
            columns = _columns(source, uses, _Tests(nodes, number), made)
            _create(pipeline.database, place, columns, made)
    return made


class _Tests:
    """What the project's data tests ask of columns, whatever model or source they stand at."""

    def __init__(self, nodes: Iterable[Mapping[str, Any]], source: str) -> None:
        self.filled: set[str] = set()
        self.unique: set[str] = set()
        self.values: dict[str, list[str]] = {}
        for node in nodes:
            asked = node.get("test_metadata") or {"name": "", "kwargs": {}}
            column = str(asked["kwargs"].get("column_name", ""))
            if not column:
                continue
            if asked["name"] in {"not_null", "unique"}:
                self.filled.add(column)
            if asked["name"] == "unique" and source in node["depends_on"]["nodes"]:
                self.unique.add(column)
            if asked["name"] == "accepted_values":
                self.values[column] = [str(value) for value in asked["kwargs"]["values"]]


def _columns(
    source: Mapping[str, Any], uses: Uses, tests: _Tests, made: Supplied
) -> tuple[Column, ...]:
    place = (source["source_name"], source["name"])
    declared = {name: str(told.get("data_type") or "") for name, told in source["columns"].items()}
    made.open = made.open or place in uses.open
    used = [name for name in uses.columns.get(place, ()) if name not in declared]
    found = []
    for name in (*declared, *used):
        told = declared.get(name, "")
        kind = told if _TYPE.fullmatch(told) else uses.kind(name)
        made.guessed = made.guessed or kind != told
        found.append(
            Column(
                name=name,
                kind=kind,
                is_unique=name in tests.unique or name == "id",
                is_filled=name in tests.filled or name in uses.wanted,
                is_absent=name in uses.absent and name not in tests.filled,
                values=tests.values.get(name) or _literals(uses, name, kind),
            )
        )
    return tuple(found)


def _literals(uses: Uses, name: str, kind: str) -> Sequence[str]:
    """Return the texts that models compare a text with, so that some rows meet them."""
    return tuple(dict.fromkeys(uses.literals.get(name, ()))) if kind == "text" else ()


def _create(
    database: Database, place: tuple[str, str], columns: tuple[Column, ...], made: Supplied
) -> None:
    name = ".".join(place)
    listed = ", ".join(f"{_quoted(column.name)} {column.kind}" for column in columns)
    schema, table = map(_quoted, place)
    reason: str | None = "nothing tells its columns"
    if columns:
        answer = database.ask(
            f"CREATE SCHEMA IF NOT EXISTS {schema}; "
            f"CREATE TABLE IF NOT EXISTS {schema}.{table} ({listed})"
        )
        reason = None if answer.ok else " ".join(answer.err.split())[:200]
    if reason is not None:
        made.failed.append(name)
        made.told.append(f"source {name} was not made: {reason}")
        return
    rows = tuple(source_rows.rows(columns, datetime.now(UTC).date()))
    filled = database.ask(f"COPY {schema}.{table} FROM STDIN (FORMAT csv);\n{_csv(rows)}\\.\n")
    count = f"{len(rows)} rows" if filled.ok else "no rows"
    kinds = ", ".join(f"{column.name} {column.kind}" for column in columns)
    made.told.append(f"source {name} has no seed; made with {count} as used: {kinds}")
    made.tables.append(
        Table(name=f"{schema}.{table}", columns=columns, rows=rows if filled.ok else ())
    )


def _csv(rows: Sequence[cohort.Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(list(row.values()) for row in rows)
    return text.getvalue()


def with_timestamps(pipeline: Pipeline, sources: Supplied) -> str:
    """Make the daily table's date a timestamp: a batch's first day 18:00, the others 06:00.

    A count of full days is then one less than the dates are apart. Returns why that failed, "".
    """
    found = _dated(pipeline, sources)
    if found is None:
        return f"there is no seed {DAILY}, and no source of daily records"
    table, day = found
    made = pipeline.database.ask(
        f"""
        ALTER TABLE {table} ALTER COLUMN {day} TYPE timestamp USING {day}::timestamp;
        UPDATE {table} AS kpi
        SET {day} = kpi.{day}
            + CASE WHEN kpi.{day} = first.day THEN interval '18 h' ELSE interval '6 h' END
        FROM (SELECT batch_id, min({day}) AS day FROM {table} GROUP BY batch_id) AS first
        WHERE first.batch_id = kpi.batch_id
        """  # noqa: S608 - the names come from dbt's manifest, quoted
    )
    return "" if made.ok else " ".join(made.err.split())[:200]


def _dated(pipeline: Pipeline, sources: Supplied) -> tuple[str, str] | None:
    """Return the table of daily records and its date's column, quoted."""
    for node in pipeline.manifest()["nodes"].values():
        if node["resource_type"] == "seed" and node["name"] == DAILY:
            return f"{_quoted(node['schema'])}.{_quoted(node['alias'])}", '"record_date"'
    table = daily(sources)
    return (table.name, _quoted(table.day)) if table is not None and table.day else None


def daily(sources: Supplied) -> Table | None:
    """Return the table that was made for a batch's daily records, None without one."""
    return next(
        (
            table
            for table in sources.tables
            if table.rows and table.day and table.rows[0].keys() >= cohort.COUNTS
        ),
        None,
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
