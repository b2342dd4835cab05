"""Incremental strategies that dbt has not for PostgreSQL, in a model's config and in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from closeout.fs.text_edit import Splice, line_start
from closeout.gaps.sql import grain
from closeout.gaps.sql.places import Defect, mappings
from closeout.gaps.sql.project import Project
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import jinja

_STRATEGIES = frozenset(["append", "delete+insert", "merge", "microbatch"])
_LITERAL = re.compile(rb"""'([^']*)'|"([^"]*)\"""")
_ARGUMENT = re.compile(rb"""\w+\s*=\s*\Z""")
_BEFORE = re.compile(rb",\s*\Z")
_AFTER = re.compile(rb"\s*,\s*")


def unknown(source: ModelSource) -> Iterator[Defect]:
    """Yield the incremental strategy of a model's config where PostgreSQL lacks it."""
    for call in jinja.calls(source.content):
        span = call.keywords.get("incremental_strategy") if call.name == ("config",) else None
        name = _literal(source.content, span)
        if span is None or name is None or not _is_unknown(name, source.project):
            continue
        mend: tuple[Splice, ...] = ()
        if name == "insert_overwrite":
            mend = _otherwise(source, call.keywords, span)
        yield Defect(
            offset=span[0],
            message=_told(name),
            mend=mend,
            advice="give the model a unique_key and use delete+insert or merge.",
        )


def _otherwise(
    source: ModelSource, keywords: Mapping[str, tuple[int, int]], span: tuple[int, int]
) -> tuple[Splice, ...]:
    """Return the config with a strategy that leaves one row for each key; none where none is sure.

    A key that the config or the query states is deleted and inserted; without one, a model whose
    project makes tables is made anew as a whole. A query with a lone parenthesis states nothing
    until that is mended.
    """
    inserted = Splice(start=span[0] + 1, end=span[1] - 1, text="delete+insert")
    if "unique_key" in keywords:
        return (inserted,)
    if source.imbalances:
        return ()
    key = grain.stated(source)
    if key:
        start = line_start(source.content, span[0])
        lead = source.content[start : span[0]]
        alone = _ARGUMENT.sub(b"", lead).isspace()
        gap = f"\n{lead[: len(lead) - len(lead.lstrip())].decode()}" if alone else " "
        text = f",{gap}unique_key=[{', '.join(repr(name) for name in key)}]"
        return (inserted, Splice(start=span[1], end=span[1], text=text))
    made = keywords.get("materialized")
    if made is None or _literal(source.content, made) != "incremental":
        return ()
    if source.project.materialized(source.path) != "table":
        return ()
    dropped = _dropped(source.content, span)
    table = Splice(start=made[0] + 1, end=made[1] - 1, text="table")
    return tuple(sorted((table, dropped), key=lambda item: item.start))


def _dropped(content: bytes, span: tuple[int, int]) -> Splice:
    """Return the edit that takes an argument out, with the comma that parted it."""
    named = _ARGUMENT.search(content, 0, span[0])
    start = named.start() if named else span[0]
    before = _BEFORE.search(content, 0, start)
    if before is not None:
        return Splice(start=before.start(), end=span[1], text="")
    after = _AFTER.match(content, span[1])
    return Splice(start=start, end=after.end() if after else span[1], text="")


def declared(content: bytes, project: Project) -> Iterator[Defect]:
    """Yield the incremental strategies in a YAML file that PostgreSQL lacks."""
    if b"incremental_strategy" not in content:
        return
    for node in mappings(content):
        for entry in node.entries:
            name = entry.value.text
            if str(entry.key).lstrip("+") != "incremental_strategy" or not name:
                continue
            if "{{" not in name and _is_unknown(name, project):
                yield Defect(
                    offset=entry.value.start,
                    message=_told(name),
                    advice="use delete+insert or merge, and give each such model a unique_key.",
                )


def _literal(content: bytes, span: tuple[int, int] | None) -> str | None:
    found = _LITERAL.fullmatch(content, *span) if span else None
    return (found[1] or found[2] or b"").decode("utf-8", "replace") if found else None


def _is_unknown(name: str, project: Project) -> bool:
    own = project.packages.macros.get(project.name, frozenset())
    return name not in _STRATEGIES and f"get_incremental_{name}_sql" not in own


def _told(name: str) -> str:
    return f"dbt has no incremental strategy {name!r} for PostgreSQL"
