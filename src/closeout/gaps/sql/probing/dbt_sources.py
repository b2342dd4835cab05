"""Give a pipeline the tables that its models read: those of its seeds, else as it declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from closeout.gaps.sql.probing.dbt_project import Pipeline
from closeout.harness.databases import Database

DAILY = "daily_kpi"
_TYPE = re.compile(
    r"[A-Za-z][\w ]*(\(\s*\d+(\s*,\s*\d+)?\s*\))?( (with|without) time zone)?(\[\])?"
)


def create(pipeline: Pipeline) -> tuple[str, ...]:
    """Create the source tables that no seed makes, and return what had to be guessed of them.

    The columns and types are the declared ones; a column without a type becomes text.
    """
    manifest = pipeline.manifest()
    seeded = {
        (node["schema"], node["alias"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "seed"
    }
    notes = []
    for source in manifest["sources"].values():
        place = (source["schema"], source["identifier"])
        if place in seeded:
            continue
        notes += _create(pipeline.database, place, source["columns"])
    return tuple(notes)


def _create(
    database: Database, place: tuple[str, str], columns: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    name = ".".join(place)
    if not columns:
        return [f"source {name} declares no columns, so it was not created"]
    kinds = {column: str(told.get("data_type") or "") for column, told in columns.items()}
    guessed = [column for column, kind in kinds.items() if not _TYPE.fullmatch(kind)]
    listed = ", ".join(
        f"{_quoted(column)} {'text' if column in guessed else kind}"
        for column, kind in kinds.items()
    )
    schema, table = map(_quoted, place)
    made = database.ask(
        f"CREATE SCHEMA IF NOT EXISTS {schema}; "
        f"CREATE TABLE IF NOT EXISTS {schema}.{table} ({listed})"
    )
    if not made.ok:
        return [f"source {name} was not created: {' '.join(made.err.split())[:200]}"]
    if guessed:
        return [f"source {name} declares no type of {', '.join(guessed)}; taken as text"]
    return []


def with_timestamps(pipeline: Pipeline) -> str:
    """Make the daily seed's date a timestamp: a batch's first day 18:00, the others 06:00.

    A count of full days is then one less than the dates are apart. Returns why that failed, "".
    """
    node = next(
        (
            node
            for node in pipeline.manifest()["nodes"].values()
            if node["resource_type"] == "seed" and node["name"] == DAILY
        ),
        None,
    )
    if node is None:
        return f"there is no seed {DAILY}"
    table = f"{_quoted(node['schema'])}.{_quoted(node['alias'])}"
    made = pipeline.database.ask(
        f"""
        ALTER TABLE {table} ALTER COLUMN record_date TYPE timestamp USING record_date::timestamp;
        UPDATE {table} AS kpi
        SET record_date = kpi.record_date
            + CASE WHEN kpi.record_date = first.day THEN interval '18 h' ELSE interval '6 h' END
        FROM (SELECT batch_id, min(record_date) AS day FROM {table} GROUP BY batch_id) AS first
        WHERE first.batch_id = kpi.batch_id
        """  # noqa: S608 - the names come from dbt's manifest, quoted
    )
    return "" if made.ok else " ".join(made.err.split())[:200]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
