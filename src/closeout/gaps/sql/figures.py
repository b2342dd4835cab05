"""SQL that runs and gives a wrong figure: cut fractions, stored text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from closeout.fs.text_edit import Splice
from closeout.gaps.sql import losses
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import sql

_TIME = rb"(?:\w+\.)*current_timestamp\w*\(\s*\)"
_SQL_MACROS = (
    rb"dbt\.(?:datediff|dateadd|date_trunc|last_day|safe_cast|concat|hash|split_part|listagg|length"
    rb"|position|right|replace|bool_or|any_value)\((?:(?!\}\}).)*\)"
)
_QUOTED_CALL = re.compile(
    rb"'\s*(\{\{-?\s*(?:(?P<time>" + _TIME + rb")|" + _SQL_MACROS + rb")\s*-?\}\})\s*'", re.DOTALL
)
_TIMES = frozenset(["TIMESTAMP", "TIMESTAMPTZ", "DATE", "ZONE"])
_COMPARING = frozenset(["=", "<", ">", "<=", ">=", "<>", "!=", "BETWEEN", "AND", "-", "+"])
_LONGEST = 1000
"""Bytes of an expression that is still read; a longer one is left to a person."""


def quoted_calls(source: ModelSource) -> Iterator[Defect]:
    """Yield the strings that hold nothing but a Jinja call for an SQL expression."""
    for index, token in enumerate(source.tokens):
        if token.kind != "string":
            continue
        match = _QUOTED_CALL.fullmatch(source.content, token.start, token.end)
        if match is None or (match["time"] and _is_read_as_time(source, index)):
            continue
        told = "a time" if match["time"] else "its value"
        yield Defect(
            offset=token.start,
            message=f"the quotes store the call's own text instead of {told}",
            mend=(
                Splice(start=token.start, end=match.start(1), text=""),
                Splice(start=match.end(1), end=token.end, text=""),
            ),
        )


def _is_read_as_time(source: ModelSource, index: int) -> bool:
    """Tell whether PostgreSQL reads the text 'now()' as a time here: by a cast or a comparison."""
    before = source.tokens[index - 1].text.upper() if index else ""
    after = [token.text.upper() for token in source.tokens[index + 1 : index + 3]]
    cast = before == "(" and after[:1] == ["AS"] and not set(after[1:]).isdisjoint(_TIMES)
    return (
        cast
        or before in _COMPARING | _TIMES
        or after[:1] == ["::"]
        or bool(_COMPARING.intersection(after[:1]))
    )


def integer_divisions(source: ModelSource) -> Iterator[Defect]:
    """Yield the divisions of integer sums and counts, which cut the fraction off."""
    added = losses.chains(source)
    for call in source.calls:
        end = _with_window(source, call)
        index = source.ends[end]
        following = source.tokens[index : index + 2]
        if len(following) != len(("/", "divisor")) or following[0].text != "/":
            continue
        divisor = source.calls_at.get(following[1].start)
        if divisor is None or not _may_start(source, source.starts[call.start]):
            continue
        after = source.ends[_with_window(source, divisor)]
        if [token.text for token in source.tokens[after : after + 1]] == ["::"]:
            continue
        if _is_integer(source, call, added) and _is_integer(source, divisor, added):
            yield Defect(
                offset=call.start,
                message=f"{call.name} / {divisor.name} of integers cuts the fraction off",
                mend=(Splice(start=end, end=end, text="::numeric"),),
            )


def _with_window(source: ModelSource, call: sql.SqlCall) -> int:
    """Return the byte after the call and its FILTER (...) and OVER (...)."""
    end = call.end
    for word in ("FILTER", "OVER"):
        index = source.ends[end]
        following = source.tokens[index].start if index < len(source.tokens) else -1
        suffix = source.calls_at.get(following)
        if suffix is not None and suffix.name == word:
            end = suffix.end
    return end


def _may_start(source: ModelSource, first: int) -> bool:
    """Tell whether what stands before the dividend leaves it an integer."""
    before = [token.text for token in source.tokens[max(first - 3, 0) : first]]
    if before[-1:] == ["*"]:
        return before[-2:-1] != [] and before[-2].isdigit() and before[-3:-2] not in (["/"], ["*"])
    return before[-1:] not in (["/"], ["."])


def _is_integer(source: ModelSource, call: sql.SqlCall, added: losses.Chains) -> bool:
    """Tell whether the call surely gives an integer, NULLIF around a call counting as that call."""
    if call.name == "NULLIF" and call.arguments:
        start, end = call.arguments[0]
        inner = source.calls_at.get(start)
        return inner is not None and inner.end == end and _is_integral(source, inner, added)
    return _is_integral(source, call, added)


def _is_integral(source: ModelSource, call: sql.SqlCall, added: losses.Chains) -> bool:
    """Tell whether the call is a count, or a sum of integer columns or of whole literals."""
    if not losses.is_sum(call):
        return call.name == "COUNT"
    start, end = call.arguments[0]
    if end - start > _LONGEST:
        return False
    words = [token.text for token in source.tokens[source.starts[start] : source.ends[end]]]
    if words[0].upper() == "CASE":
        return _gives_whole_literals([word.upper() for word in words])
    columns = [name for name, _ in losses.added_columns(source, added, start, end)]
    columns = columns or [".".join(words).split(".")[-1].lower()]
    return all(_is_whole(source, name) for name in columns)


def _is_whole(source: ModelSource, column: str) -> bool:
    """Tell whether the column is declared as an integer, or nothing declares it and it counts."""
    project = source.project
    return column in project.integers or (
        column not in project.declared and column.endswith("_count")
    )


def divisions_by_zero(source: ModelSource) -> Iterator[Defect]:
    """Yield what divides by a count of all rows, which is none where the source is empty."""
    ends = {
        _with_window(source, call): call
        for call in source.calls
        if call.name not in {"FILTER", "OVER"}
    }
    for call in source.calls:
        first = source.starts[call.start]
        if call.name != "COUNT" or first < len(("1", "/")):
            continue
        end = _with_window(source, call)
        is_window = end != call.end
        if is_window or source.tokens[first - 1].text != "/":
            continue
        if _is_null_without_rows(source, first - 2, ends) or not _counts_all(source, first):
            continue
        yield Defect(
            offset=call.start,
            message="COUNT is 0 where the source is empty, and PostgreSQL then refuses to divide",
            mend=(
                Splice(start=call.start, end=call.start, text="NULLIF("),
                Splice(start=end, end=end, text=", 0)"),
            ),
        )


def _is_null_without_rows(source: ModelSource, last: int, ends: Mapping[int, sql.SqlCall]) -> bool:
    """Tell whether the dividend that ends at token `last` may be NULL where there are no rows."""
    if last > 1 and source.tokens[last - 1].text == "::":
        last -= 2
    token = source.tokens[last]
    call = ends.get(token.end)
    return not token.text[:1].isdigit() and (call is None or call.name != "COUNT")


def _counts_all(source: ModelSource, index: int) -> bool:
    """Tell whether token `index` stands in a query without GROUP BY, and in no CASE of it."""
    inner = source.innermost(index, in_list=True)
    if inner is None or inner.grouped is not None:
        return False
    words = [token.text.upper() for token in source.tokens[inner.first : index]]
    return words.count("CASE") <= words.count("END")


def _gives_whole_literals(words: Sequence[str]) -> bool:
    """Tell whether every branch of the CASE is one whole number."""
    results = [
        (words[at + 1], words[at + 2])
        for at, word in enumerate(words[:-2])
        if word in {"THEN", "ELSE"}
    ]
    return words[-1] == "END" and all(
        result.isdigit() and after in {"WHEN", "ELSE", "END"} for result, after in results
    )
