"""Read what dbt says: whether the model and all that it builds on hold, and why not.

A failure that may come of what was supplied here, such as a type that only a column's use tells,
is no failure of the project: it tells nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from closeout import process
from closeout.gaps.sql.probing import dbt_packages, dbt_project
from closeout.gaps.sql.probing.dbt_project import NodeResult, Pipeline
from closeout.gaps.sql.probing.dbt_sources import Supplied
from closeout.model import Observation

_STAMP = re.compile(r"^\d\d:\d\d:\d\d\s*")
_MARKS = ("Database Error", "Compilation Error", "Parsing Error", "Runtime Error", "Encountered")
_GOOD = frozenset(["success", "pass", "warn", "no-op"])
_MACRO = re.compile(rf"{dbt_packages.MISSING} ([\w.]+)")
_FUNCTION = re.compile(r"function (\w+)\(.*\) does not exist")
_COLUMN = re.compile(r"column \S+ does not exist")
_RELATION = re.compile(r'relation "([^"]+)" does not exist')
_TYPES = re.compile(
    r"operator does not exist|cannot cast|cannot be cast|invalid input syntax|cannot be matched"
    r"|must be type|must have type|is of type|out of range|could not determine|is not unique"
)


Probe = tuple[str, str, str]
"""A probe's id, its criterion's id and what is expected."""
Row = tuple[str, str, Observation]
"""A probe's id, its criterion's id and what was seen."""
Rows = tuple[Row, ...]


MODEL = "fact_batch_cohort"


def answer(pipeline: Pipeline, sources: Supplied, probe: Probe, *words: str) -> Row:
    """Run a command that must make the model and all that it builds on, data tests among them."""
    passed, observed = _judged(pipeline, pipeline.run(*words), sources)
    return seen_as(probe, passed=passed, observed=observed, command=f"dbt {' '.join(words)}")


def _judged(pipeline: Pipeline, ran: process.Result, sources: Supplied) -> tuple[bool | None, str]:
    """Return what the last command says of the model: None where it cannot tell."""
    results = pipeline.results()
    lineage = pipeline.lineage(MODEL)
    failed = [item for item in results if item.status not in _GOOD]
    mine = [item for item in failed if item.node in lineage]
    is_made = any(item.name == MODEL and item.status in _GOOD for item in results)
    if not mine and is_made:
        told = _counted([item for item in results if item.node in lineage])
        others = "; ".join(_failure(item) for item in failed if item.status != "skipped")
        beside = f". Beside it fails what it does not build on: {others}" if others else ""
        return True, f"{told}{beside}"
    first = next((item for item in mine if item.status != "skipped"), None)
    if first is None:
        reason = reason_of(ran) if not ran.ok else f"{MODEL} was not built ({_counted(results)})"
    else:
        reason = _failure(first)
    doubt = _doubt(pipeline, first, reason, sources)
    if doubt:
        return None, f"cannot tell, since {doubt}: {reason}"
    return False, reason


def _counted(results: Sequence[NodeResult]) -> str:
    counts = sorted(Counter(item.status for item in results).items())
    return ", ".join(f"{count} {status}" for status, count in counts) or "no results"


def _failure(item: NodeResult) -> str:
    return f"{item.name}: {' '.join(item.message.split())[:300]}"


def _doubt(pipeline: Pipeline, first: NodeResult | None, reason: str, sources: Supplied) -> str:
    """Return what was supplied here and may be why; empty where it surely is not."""
    if lacking := _MACRO.search(reason):
        return f"there is {dbt_packages.MISSING} {lacking[1]}"
    if first is not None and first.status == "fail" and sources.tables:
        return "the rows are of our making"
    missing = _RELATION.search(reason)
    if missing and missing[1] in sources.failed:
        return f"the source {missing[1]} was not made"
    if _COLUMN.search(reason) and sources.open:
        return "a source's table may lack columns"
    function = _FUNCTION.search(reason)
    by_type = _has_function(pipeline, function[1]) if function else bool(_TYPES.search(reason))
    if by_type and sources.guessed:
        return "columns have the types that their use and names tell"
    return ""


def _has_function(pipeline: Pipeline, name: str) -> bool:
    asked = pipeline.rows(f"select 1 as found from pg_proc where proname = '{name}' limit 1")  # noqa: S608 - one word
    return not isinstance(asked, str) and bool(asked)


def told(result: process.Result) -> str:
    """Return the command's exit status, and its first error where there is one."""
    return f"exit {result.code}" if result.ok else f"exit {result.code}: {reason_of(result)}"


def reason_of(result: process.Result) -> str:
    """Return the first error that dbt printed, in one line."""
    if result.code is None:
        return f"ended after {dbt_project.DEADLINE:.0f} s"
    lines = [_STAMP.sub("", line).strip() for line in (result.out + result.err).splitlines()]
    lines = [line for line in lines if line.strip("^ ")]
    at = next((number for number, line in enumerate(lines) if line.startswith(_MARKS)), -3)
    return " | ".join(lines[at:][:4])[:400] or "no output"


def seen_as(probe: Probe, *, passed: bool | None, observed: str, command: str) -> Row:
    """Return one row of evidence."""
    name, criterion, expected = probe
    seen = Observation(passed=passed, expected=expected, observed=observed, command=command)
    return name, criterion, seen
