"""Incremental strategies that dbt has not for PostgreSQL, in a model's config and in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from closeout.fs.text_edit import Splice, line_end, line_start
from closeout.gaps.sql import days, grain
from closeout.gaps.sql.places import Defect, entries
from closeout.gaps.sql.project import Project
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import jinja

_STRATEGIES = frozenset(["append", "delete+insert", "merge", "microbatch"])
_LITERAL = re.compile(rb"""'([^']*)'|"([^"]*)\"""")
_ARGUMENT = re.compile(rb"""\w+\s*=\s*\Z""")
_BEFORE = re.compile(rb",\s*\Z")
_AFTER = re.compile(rb"\s*,\s*")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_COMMENTED = re.compile(rb"\A--|(?:#\}|\*/)\Z")
_ANEW = (
    "PostgreSQL has no insert_overwrite, and no key or day is certain: the model is built anew "
    "at each run, so rows of earlier runs and rows whose sources were purged go"
)


def unknown(source: ModelSource) -> Iterator[Defect]:
    """Yield the incremental strategy of a model's config where PostgreSQL lacks it."""
    for call in jinja.calls(source.content):
        span = call.keywords.get("incremental_strategy") if call.name == ("config",) else None
        name = _literal(source.content, span)
        if span is None or name is None or not _is_unknown(name, source.project):
            continue
        mend: tuple[Splice, ...] = ()
        told = ""
        if name == "insert_overwrite":
            mend, told = _otherwise(source, call.keywords, span)
        yield Defect(
            offset=span[0],
            message=_told(name),
            mend=mend,
            told=told,
            advice="give the model a unique_key without NULL, and use delete+insert or merge.",
        )


def _otherwise(
    source: ModelSource, keywords: Mapping[str, tuple[int, int]], span: tuple[int, int]
) -> tuple[tuple[Splice, ...], str]:
    """Return the config with a strategy that leaves each row once, and what has to be told of it.

    Rows are deleted by a key and inserted: by the config's own, by the one that the query states,
    or by the day that the model takes in whole. Without any, a model whose project makes tables
    is made anew as a whole. A query with a lone parenthesis states nothing until that is mended.
    """
    inserted = Splice(start=span[0] + 1, end=span[1] - 1, text="delete+insert")
    if "unique_key" in keywords:
        return (inserted,), ""
    if source.imbalances:
        return (), ""
    key = _key(source)
    if key:
        start = line_start(source.content, span[0])
        lead = source.content[start : span[0]]
        alone = _ARGUMENT.sub(b"", lead).isspace()
        gap = f"\n{lead[: len(lead) - len(lead.lstrip())].decode()}" if alone else " "
        text = f",{gap}unique_key={key}"
        return (inserted, Splice(start=span[1], end=span[1], text=text)), ""
    made = keywords.get("materialized")
    if made is None or _literal(source.content, made) != "incremental":
        return (), ""
    if source.project.materialized(source.path) != "table":
        return (), ""
    return tuple(_as_table(source.content, keywords, made, span)), _ANEW


def _key(source: ModelSource) -> str:
    """Return the value of `unique_key` that finds each row again, NULL or not; '' for none.

    dbt compares with IN, which never finds a NULL: where a column of the key may hold one, the
    key is the day that the model takes in whole, else the text of the key as one row, which tells
    NULL from an empty text.
    """
    key = grain.stated(source)
    names = [name if _PLAIN.fullmatch(name) else f'"{name}"' for name, _ in key]
    if key and all(is_filled for _, is_filled in key):
        return f"[{', '.join(map(repr, names))}]"
    day = days.stated(source)
    if day is not None and (not key or day in dict(key)):
        return repr(day)
    return repr(f"row({', '.join(names)})::text") if key else ""


def _as_table(
    content: bytes,
    keywords: Mapping[str, tuple[int, int]],
    made: tuple[int, int],
    span: tuple[int, int],
) -> Iterator[Splice]:
    """Yield the edits that make a table, without what only an incremental model has."""
    found = [Splice(start=made[0] + 1, end=made[1] - 1, text="table"), _dropped(content, span)]
    if "partition_by" in keywords:
        found.append(_dropped(content, keywords["partition_by"]))
    found += _never_rendered(content)
    found.sort(key=lambda item: item.start)
    last = 0
    for splice in found:
        if splice.start >= last:
            last = splice.end
            yield splice


def _never_rendered(content: bytes) -> Iterator[Splice]:
    """Yield the edits that take out the blocks of incremental runs that stand on their own lines.

    One below a comment stays: the comment may speak of it.
    """
    for branches in jinja.alternatives(content):
        if [branch.condition for branch in branches] != [days.INCREMENTAL]:
            continue
        opening = next(tag for tag in jinja.tags(content) if tag.end == branches[0].start)
        closing = next(tag for tag in jinja.tags(content) if tag.start == branches[0].end)
        start, end = line_start(content, opening.start), line_end(content, closing.end)
        edges = (content[start : opening.start], content[closing.end : end])
        above = content[:start].rstrip().rsplit(b"\n", 1)[-1].strip()
        if any(edge.strip() for edge in edges) or _COMMENTED.search(above):
            continue
        if not content[end:].strip():
            start = line_end(content, len(content[:start].rstrip()))
        yield Splice(start=start, end=end, text="")


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
    for entry in entries(content):
        name = entry.value.text
        if str(entry.key).lstrip("+") != "incremental_strategy" or not name:
            continue
        if "{{" not in name and _is_unknown(name, project):
            yield Defect(
                offset=entry.value.start,
                message=_told(name),
                advice="use delete+insert or merge, and give each such model a unique_key without "
                "NULL.",
            )


def _literal(content: bytes, span: tuple[int, int] | None) -> str | None:
    found = _LITERAL.fullmatch(content, *span) if span else None
    return (found[1] or found[2] or b"").decode("utf-8", "replace") if found else None


def _is_unknown(name: str, project: Project) -> bool:
    own = project.packages.macros.get(project.name, frozenset())
    return name not in _STRATEGIES and f"get_incremental_{name}_sql" not in own


def _told(name: str) -> str:
    return f"dbt has no incremental strategy {name!r} for PostgreSQL"
