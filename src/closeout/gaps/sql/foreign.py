"""What other databases have and PostgreSQL has not: functions and clauses."""

from __future__ import annotations

from collections.abc import Iterator

from closeout.fs.text_edit import Splice
from closeout.gaps.sql import qualify
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import sql

_UNITS = frozenset(
    [
        *("year", "quarter", "month", "week", "day"),
        *("hour", "minute", "second", "millisecond", "microsecond"),
    ]
)
_ADVICE = {
    "subtract dates, or use dbt.datediff; the arguments' meaning differs by dialect": (
        *("DATEDIFF", "DATE_DIFF", "TIMESTAMPDIFF", "TIMESTAMP_DIFF", "DATETIME_DIFF"),
        *("TIME_DIFF", "DATEDIFF_BIG", "MONTHS_BETWEEN"),
    ),
    "add an interval, or use dbt.dateadd; the arguments' meaning differs by dialect": (
        *("DATEADD", "TIMESTAMPADD", "TIMESTAMP_ADD", "TIMESTAMP_SUB", "DATETIME_ADD"),
        *("DATETIME_SUB", "DATE_SUB", "ADD_MONTHS"),
    ),
    "clean the text first, then cast it; PostgreSQL has no cast that gives NULL instead": (
        *("TRY_CAST", "SAFE_CAST", "TRY_TO_NUMBER", "TRY_TO_DATE"),
    ),
    "use EXTRACT": ("DATEPART", "DATENAME", "DAYOFWEEK", "DAYOFYEAR"),
    "use dbt.current_timestamp": ("GETDATE", "SYSDATE", "CURDATE", "SYSDATETIME", "GETUTCDATE"),
    "COALESCE does the same": ("NVL", "IFNULL", "ZEROIFNULL"),
    "write a CASE": ("IFF", "IIF", "NVL2", "DIV0", "SAFE_DIVIDE"),
    "COUNT(*) FILTER (WHERE ...) does the same": ("COUNTIF", "COUNT_IF"),
    "string_agg does it, with an ORDER BY inside": ("LISTAGG", "GROUP_CONCAT"),
    "use dbt.last_day": ("LAST_DAY",),
    "use position": ("CHARINDEX",),
    "use COUNT(DISTINCT ...)": ("APPROX_COUNT_DISTINCT",),
}
_FUNCTIONS = {name: advice for advice, names in _ADVICE.items() for name in names}
_AS_COALESCE = frozenset(["NVL", "IFNULL"])
_LONGEST = 1000
"""Bytes of a call that is still rewritten; a longer one is left to a person."""

_HARD_TO_QUOTE = ("'", "\\", "{{", "{%", "\n", "--", "/*")
_CLAUSE_WORDS = frozenset(
    [
        *("WHERE", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING"),
        *("GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "FETCH", "UNION", "EXCEPT", "INTERSECT"),
        *("AS", "FROM", "WINDOW", "FOR", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "AND", "OR"),
        *("THEN", "ELSE", "END", "WHEN", "ASC", "DESC", "NOT", "DISTINCT"),
    ]
)
_OPENERS = frozenset(
    [
        *("SELECT", "ALL", "DISTINCT", "BY", "ON", "WHERE", "HAVING", "AND", "OR", "NOT", "AS"),
        *("WHEN", "THEN", "ELSE", "CASE", "FROM", "JOIN", "IN", "LIKE", "BETWEEN", "WITH"),
    ]
)


def unknown_functions(source: ModelSource) -> Iterator[Defect]:
    """Yield the calls of functions that PostgreSQL does not have."""
    for call in source.calls:
        advice = _FUNCTIONS.get(call.name)
        if advice is None or call.qualified or call.name in source.project.functions:
            continue
        if _names_a_query(source, call):
            continue
        count = len(call.arguments)
        yield Defect(
            offset=call.start,
            message=f"PostgreSQL has no function {call.name} of {count} arguments",
            mend=_as_coalesce(call) or _as_dbt_datediff(source, call),
            advice=f"{advice}.",
        )


def _names_a_query(source: ModelSource, call: sql.SqlCall) -> bool:
    """Tell whether `name (columns)` is an alias or a WITH query and no call."""
    first, after = source.starts[call.start], source.ends[call.end]
    before = source.tokens[first - 1].text.upper() if first else ""
    following = [token.text.upper() for token in source.tokens[after : after + 2]]
    return before == "AS" or following == ["AS", "("]


def _as_coalesce(call: sql.SqlCall) -> tuple[Splice, ...]:
    if call.name not in _AS_COALESCE or len(call.arguments) != len(("value", "default")):
        return ()
    return (Splice(start=call.start, end=call.start + len(call.name), text="COALESCE"),)


def _as_dbt_datediff(source: ModelSource, call: sql.SqlCall) -> tuple[Splice, ...]:
    """Return the call through dbt's own macro where the first of three arguments is the unit."""
    if call.name != "DATEDIFF" or len(call.arguments) != len(("unit", "start", "end")):
        return ()
    if call.end - call.start > _LONGEST:
        return ()
    texts = [source.text(start, end) for start, end in call.arguments]
    unit = texts[0].strip("'").lower()
    if unit not in _UNITS or any(mark in text for text in texts[1:] for mark in _HARD_TO_QUOTE):
        return ()
    text = f"{{{{ dbt.datediff('{texts[1]}', '{texts[2]}', '{unit}') }}}}"
    return (Splice(start=call.start, end=call.end, text=text),)


def unknown_clauses(source: ModelSource) -> Iterator[Defect]:
    """Yield QUALIFY where it starts a clause, and INSERT OVERWRITE."""
    words = [token.text.upper() for token in source.tokens]
    for index, word in enumerate(words):
        if word == "QUALIFY" and _is_clause(source, words, index):
            yield Defect(
                offset=source.tokens[index].start,
                message="PostgreSQL has no QUALIFY",
                mend=qualify.as_subquery(source, index),
                advice="give the window function a name in a subquery, and filter around it.",
            )
        if word == "OVERWRITE" and index and words[index - 1] == "INSERT":
            yield Defect(
                offset=source.tokens[index - 1].start,
                message="PostgreSQL has no INSERT OVERWRITE",
                advice="delete the rows, then insert them, in one transaction.",
            )


def _is_clause(source: ModelSource, words: list[str], index: int) -> bool:
    """Tell whether a value ends before the word and a condition starts after it."""
    if not index or index + 1 >= len(words):
        return False
    before, after = source.tokens[index - 1], source.tokens[index + 1]
    ends = before.text in {")", "]"} or (
        before.kind != "symbol" and words[index - 1] not in _OPENERS
    )
    ends = ends or before.text[:1].isdigit()
    starts = after.text == "(" or (after.kind != "symbol" and words[index + 1] not in _CLAUSE_WORDS)
    return ends and starts
