"""The defects that a model's text shows, each with its place and, where one is right, its mend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One model's bytes, its tokens, and the project it stands in."""

    content: bytes
    tokens: tuple[sql.Token, ...]
    calls: tuple[sql.Call, ...]
    project: Project


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
    return Source(content=content, tokens=tokens, calls=tuple(sql.calls(tokens)), project=project)


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
    texts = [source.content[start:end].decode("utf-8", "replace") for start, end in call.arguments]
    if call.name != "DATEDIFF" or len(texts) != len(("unit", "start", "end")):
        return ()
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
    at = {token.start: index for index, token in enumerate(source.tokens)}
    after = {token.end: index + 1 for index, token in enumerate(source.tokens)}
    by_start = {call.start: call for call in source.calls}
    for call in source.calls:
        index = after[call.end]
        following = source.tokens[index : index + 2]
        before = source.tokens[at[call.start] - 1].text if at[call.start] else ""
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


def _is_integer(source: Source, call: sql.Call, by_start: dict[int, sql.Call]) -> bool:
    """Tell whether the call surely gives an integer: a count, or a sum of an integer column."""
    if call.name == "COUNT":
        return True
    if not call.arguments:
        return False
    start, end = call.arguments[0]
    if call.name == "NULLIF":
        inner = by_start.get(start)
        return inner is not None and inner.end == end and _is_integer(source, inner, by_start)
    column = source.content[start:end].decode("utf-8", "replace").split(".")[-1].lower()
    return call.name == "SUM" and column in source.project.integers


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
    inside = [token for token in source.tokens if start <= token.start and token.end <= end]
    columns: list[tuple[str, tuple[int, int]]] = []
    operand: list[sql.Token] = []
    for token in [*inside, None]:
        if token is not None and token.text != "+":
            operand.append(token)
            continue
        texts = [item.text for item in operand]
        words = [item.kind in {"word", "identifier"} for item in operand]
        if words not in ([True], [True, False, True]) or (texts[1:2] or ["."]) != ["."]:
            return ()
        columns.append((texts[-1].strip('"').lower(), (operand[0].start, operand[-1].end)))
        operand = []
    return columns if len(columns) > 1 else ()


RULES = (
    Rule(id="unbalanced-parenthesis", criterion="3.1", locate=_parentheses),
    Rule(id="unknown-function", criterion="3.3", locate=_foreign_calls),
    Rule(id="quoted-timestamp", criterion="3.3", locate=_quoted_calls),
    Rule(id="integer-division", criterion="3.3", locate=_integer_divisions),
    Rule(id="null-drops-count", criterion="3.3", locate=_lost_by_null),
)
