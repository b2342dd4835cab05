"""The defects that a model's text shows, each with its place and, where one is right, its mend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from closeout.anchors import sql
from closeout.gaps.sql.project import Project
from closeout.splicing import Splice

_UNITS = frozenset(
    [
        *("year", "quarter", "month", "week", "day"),
        *("hour", "minute", "second", "millisecond", "microsecond"),
    ]
)
_FOREIGN_CALLS = {
    "DATEDIFF": "subtract dates, or use dbt.datediff",
    "DATE_DIFF": "subtract dates, or use dbt.datediff",
    "TIMESTAMPDIFF": "subtract timestamps, or use dbt.datediff",
    "DATEADD": "add an interval, or use dbt.dateadd",
    "TIMESTAMPADD": "add an interval, or use dbt.dateadd",
}
_UNQUOTED_CALL = re.compile(rb"'\s*(\{\{-?\s*(?:\w+\.)*current_timestamp\w*\(\s*\)\s*-?\}\})\s*'")
_LOSSES = re.compile(r"mortalit|cull|death|died|dead|loss|lost", re.IGNORECASE)


_LONGEST = 1000
"""Bytes of an expression that is still read; a longer one is left to a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One model's bytes, its tokens, and the project it stands in."""

    content: bytes
    tokens: tuple[sql.Token, ...]
    calls: tuple[sql.Call, ...]
    project: Project
    starts: Mapping[int, int]
    """Byte where a token starts, to the token's index."""
    ends: Mapping[int, int]
    """Byte where a token ends, to the next token's index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A defect at byte `offset`; `mend` is empty where more than one answer would be right."""

    offset: int
    message: str
    mend: tuple[Splice, ...] = ()
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of defect and the criterion it keeps open."""

    id: str
    criterion: str
    locate: Callable[[Source], Iterator[Place]]


def read(content: bytes, project: Project) -> Source:
    """Return `content` cut into tokens. Raises UnreadableSqlError where that cannot be done."""
    tokens = sql.tokens(content)
    return Source(
        content=content,
        tokens=tokens,
        calls=tuple(sql.calls(tokens)),
        project=project,
        starts={token.start: index for index, token in enumerate(tokens)},
        ends={token.end: index + 1 for index, token in enumerate(tokens)},
    )


def _parentheses(source: Source) -> Iterator[Place]:
    for lone in sql.imbalances(source.content):
        start = source.content.rfind(b"\n", 0, lone.offset) + 1
        column = len(source.content[start : lone.offset].decode("utf-8", "replace")) + 1
        mend: tuple[Splice, ...] = ()
        if lone.insert_at is not None:
            mend = (Splice(start=lone.insert_at, end=lone.insert_at, text=lone.missing.value),)
        yield Place(
            offset=lone.offset,
            message=f"the parenthesis at column {column} lacks its {lone.missing.value!r}",
            mend=mend,
            advice="add or drop a parenthesis; more than one place is possible.",
        )


def _foreign_calls(source: Source) -> Iterator[Place]:
    for call in source.calls:
        if call.name not in _FOREIGN_CALLS or call.qualified:
            continue
        if call.name in source.project.functions:
            continue
        yield Place(
            offset=call.start,
            message=f"PostgreSQL has no function {call.name} of {len(call.arguments)} arguments",
            mend=_as_dbt_datediff(source, call),
            advice=f"{_FOREIGN_CALLS[call.name]}; the arguments' meaning differs by dialect.",
        )


def _as_dbt_datediff(source: Source, call: sql.Call) -> tuple[Splice, ...]:
    """Return the call through dbt's own macro where the first of three arguments is the unit."""
    if call.name != "DATEDIFF" or len(call.arguments) != len(("unit", "start", "end")):
        return ()
    if call.end - call.start > _LONGEST:
        return ()
    texts = [source.content[start:end].decode("utf-8", "replace") for start, end in call.arguments]
    unit = texts[0].strip("'").lower()
    if unit not in _UNITS or any(_hard_to_quote(text) for text in texts[1:]):
        return ()
    text = f"{{{{ dbt.datediff('{texts[1]}', '{texts[2]}', '{unit}') }}}}"
    return (Splice(start=call.start, end=call.end, text=text),)


def _hard_to_quote(text: str) -> bool:
    return any(mark in text for mark in ("'", "\\", "{{", "{%", "\n", "--", "/*"))


def _quoted_calls(source: Source) -> Iterator[Place]:
    for token in source.tokens:
        if token.kind != "string":
            continue
        match = _UNQUOTED_CALL.fullmatch(source.content, token.start, token.end)
        if match is None:
            continue
        yield Place(
            offset=token.start,
            message="the quotes store the call's own text instead of a time",
            mend=(
                Splice(start=token.start, end=match.start(1), text=""),
                Splice(start=match.end(1), end=token.end, text=""),
            ),
        )


def _integer_divisions(source: Source) -> Iterator[Place]:
    by_start = {call.start: call for call in source.calls}
    for call in source.calls:
        index = source.ends[call.end]
        following = source.tokens[index : index + 2]
        first = source.starts[call.start]
        before = source.tokens[first - 1].text if first else ""
        if len(following) != len(("/", "divisor")) or following[0].text != "/" or before in "*/.":
            continue
        divisor = by_start.get(following[1].start)
        if divisor is None or not _is_integer(source, call, by_start):
            continue
        if not _is_integer(source, divisor, by_start):
            continue
        yield Place(
            offset=call.start,
            message=f"{call.name} / {divisor.name} of integers cuts the fraction off",
            mend=(Splice(start=call.end, end=call.end, text="::numeric"),),
        )


def _is_integer(source: Source, call: sql.Call, by_start: Mapping[int, sql.Call]) -> bool:
    """Tell whether the call surely gives an integer, NULLIF around a call counting as that call."""
    if call.name == "NULLIF" and call.arguments:
        start, end = call.arguments[0]
        inner = by_start.get(start)
        return inner is not None and inner.end == end and _is_integral(source, inner)
    return _is_integral(source, call)


def _is_integral(source: Source, call: sql.Call) -> bool:
    """Tell whether the call is a count, or a sum of an integer column."""
    if call.name != "SUM" or len(call.arguments) != 1:
        return call.name == "COUNT"
    start, end = call.arguments[0]
    column = source.content[start : min(end, start + _LONGEST)].decode("utf-8", "replace")
    return column.split(".")[-1].lower() in source.project.integers


def _lost_by_null(source: Source) -> Iterator[Place]:
    for call in source.calls:
        if call.name != "SUM" or len(call.arguments) != 1:
            continue
        columns = _added_columns(source, *call.arguments[0])
        bare = [span for name, span in columns if name not in source.project.defaulted]
        if not bare or not any(_LOSSES.search(name) for name, _ in columns):
            continue
        yield Place(
            offset=call.start,
            message="a NULL in one column drops the other one's count of that row",
            mend=tuple(
                splice
                for start, end in bare
                for splice in (
                    Splice(start=start, end=start, text="COALESCE("),
                    Splice(start=end, end=end, text=", 0)"),
                )
            ),
        )


def _added_columns(source: Source, start: int, end: int) -> Sequence[tuple[str, tuple[int, int]]]:
    """Return the columns of `a + b` (or `t.a + t.b + ...`) with their spans, else nothing."""
    columns: list[tuple[str, tuple[int, int]]] = []
    operand: list[sql.Token] = []
    last = source.ends[end]
    for index in range(source.starts[start], last):
        token = source.tokens[index]
        if token.kind not in {"word", "identifier"} and token.text not in {".", "+"}:
            return ()
        if token.text != "+":
            operand.append(token)
        if token.text == "+" or index + 1 == last:
            if len(operand) not in {1, 3} or [item.text for item in operand[1:2]] not in (
                [],
                ["."],
            ):
                return ()
            name = operand[-1].text.strip('"').lower()
            columns.append((name, (operand[0].start, operand[-1].end)))
            operand = []
    return columns if len(columns) > 1 else ()


RULES = (
    Rule(id="unbalanced-parenthesis", criterion="3.1", locate=_parentheses),
    Rule(id="unknown-function", criterion="3.3", locate=_foreign_calls),
    Rule(id="quoted-timestamp", criterion="3.3", locate=_quoted_calls),
    Rule(id="integer-division", criterion="3.3", locate=_integer_divisions),
    Rule(id="null-drops-count", criterion="3.3", locate=_lost_by_null),
)
