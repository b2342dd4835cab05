"""What a project's models do with the columns of its sources: which they read, and as what.

The models are read as they stand once they are mended, so that the tables of a tree before the
fix and after it are the same. A column's name stands for one kind in the whole project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from closeout.fs.tree import Overlay
from closeout.gaps.sql.fix import fix
from closeout.gaps.sql.project import Project
from closeout.model import Tree

Place = tuple[str, str]
"""The names of a source and of its table, as models give them to `source()`."""

_CALL = re.compile(
    r"""\{\{-?\s*(?P<call>source|ref|var|config|\w+\.\w+)\(\s*(?P<arguments>(?:(?!\}\}).)*?)\)\s*-?\}\}"""
    r"""|\{\{.*?\}\}|\{%.*?%\}|\{\#.*?\#\}""",
    re.DOTALL,
)
_LITERAL = re.compile(r"""'([^']*)'|"([^"]*)"|(-?\d+(?:\.\d+)?)""")
_ANY = "jinja_value"
_UNITS = frozenset(["year", "quarter", "month", "week", "day", "hour", "minute", "second"])
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIGURES = (
    exp.Sum,
    exp.Avg,
    exp.Stddev,
    exp.Variance,
    exp.Ln,
    exp.Round,
    exp.Abs,
    exp.Mul,
    exp.Div,
)
_MOMENTS = (exp.Extract, exp.DateTrunc, exp.TimestampTrunc, exp.Date, exp.TsOrDsToDate)
_TEXTS = (exp.Lower, exp.Upper, exp.Trim, exp.Like, exp.ILike, exp.DPipe)
_PASSED_ON = (exp.Paren, exp.Coalesce, exp.Min, exp.Max, exp.Neg, exp.Nullif)
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)

_BY_NAME = (
    (re.compile(r"_(at|time|timestamp|ts)$|^timestamp$"), "timestamp"),
    (re.compile(r"(^|_)(date|day)$|_on$"), "date"),
    (re.compile(r"^(is|has)_"), "boolean"),
)
"""Names that say more than any use."""
_BY_ENDING = (
    (re.compile(r"(^|_)(count|n|days)$|^(n|num|number)_"), "integer"),
    (
        re.compile(
            r"(^|_)(kg|g|l|ml|m|pct|percent|rate|ratio|score|amount|price|cost|value|total|weight"
            r"|quantity|temperature|humidity)$"
        ),
        "numeric",
    ),
)
"""Names that tell where no use does, and whether a figure is a whole one."""


@dataclass(slots=True)
class Uses:
    """What was seen: columns by table, kinds and literals by column, and what is read whole."""

    columns: dict[Place, list[str]] = field(default_factory=dict)
    kinds: dict[str, set[str]] = field(default_factory=dict)
    literals: dict[str, list[str]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    """Columns that models want to be NULL."""
    wanted: set[str] = field(default_factory=set)
    """Columns that models compare in their WHERE, so that a row with NULL there is dropped."""
    open: set[Place] = field(default_factory=set)
    """Tables that a star reads, so that more of their columns may be in use."""
    unread: list[str] = field(default_factory=list)
    """Models that could not be read."""

    def kind(self, column: str) -> str:
        """Return the column's SQL type, as its name and its uses tell; text without either."""
        for pattern, kind in _BY_NAME:
            if pattern.search(column):
                return kind
        seen = self.kinds.get(column, set())
        known = next((kind for kind in ("boolean", "timestamp", "numeric") if kind in seen), None)
        if known is not None and known != "numeric":
            return known
        if known is None and "text" in seen:
            return "text"
        ending = next((kind for pattern, kind in _BY_ENDING if pattern.search(column)), None)
        return ending or known or "text"


def uses(tree: Tree, project: Project) -> Uses:
    """Return what the project's models do with the columns of its sources."""
    mended = Overlay(tree, [edit for made in fix(tree) for edit in made.edits])
    parsed: dict[str, list[Scope]] = {}
    found = Uses()
    for path in project.models:
        text = (mended.read(path) or b"").decode("utf-8", "replace")
        try:
            statement = sqlglot.parse_one(_CALL.sub(_replaced, text), read="postgres")
            parsed[path.stem] = traverse_scope(statement)
        except SqlglotError:
            found.unread.append(path.name)
    reading = _Reading(parsed, found)
    for scope in (scope for scopes in parsed.values() for scope in scopes):
        reading.note(scope)
    return found


def _replaced(match: re.Match[str]) -> str:
    """Return SQL for one piece of Jinja; a relation becomes a name that tells which it is."""
    if match[0].startswith(("{%", "{#")) or match["call"] == "config":
        return " "
    literals = [
        text or other or number
        for text, other, number in _LITERAL.findall(match["arguments"] or "")
    ]
    if match["call"] in {"source", "ref"} and literals:
        return '"' + ".".join([match["call"], *literals]) + '"'
    if match["call"] == "var" and len(literals) > 1:
        return str(literals[1])
    if "." in (match["call"] or ""):
        return f"{_ANY}({', '.join(text for text in literals if _is_expression(text))})"
    return _ANY


@lru_cache(maxsize=256)
def _is_expression(text: str) -> bool:
    """Tell whether a macro's argument may be a column or a term of columns."""
    if not text or text.lower() in _UNITS or "'" in text:
        return False
    try:
        return sqlglot.parse_one(text, read="postgres").find(exp.Column) is not None
    except SqlglotError:
        return False


class _Reading:
    """Follows columns to the source tables that they come from."""

    def __init__(self, parsed: Mapping[str, list[Scope]], found: Uses) -> None:
        self._parsed = parsed
        self._found = found
        self._entered: set[str] = set()

    def note(self, scope: Scope) -> None:
        """Note every column that the scope itself reads."""
        tables = {
            alias: tuple(self._tables(source))
            for alias, (_, source) in scope.selected_sources.items()
        }
        alone = (
            [place for places in tables.values() for place in places] if len(tables) == 1 else []
        )
        for place in {place for places in tables.values() for place in places}:
            self._found.columns.setdefault(place, [])
            if any(isinstance(item, exp.Star) for item in scope.expression.expressions):
                self._found.open.add(place)
        for column in scope.columns:
            name = column.name.lower()
            if name in {"", "*", _ANY}:
                continue
            for place in tables.get(column.table, ()) if column.table else alone:
                if name not in self._found.columns[place]:
                    self._found.columns[place].append(name)
            self._classify(column, name)

    def _tables(self, source: exp.Expr | Scope) -> Iterator[Place]:
        """Yield the source tables whose columns `source` passes on under their own names."""
        if isinstance(source, Scope):
            if any(isinstance(item, exp.Star) for item in source.expression.expressions):
                for _, inner in source.selected_sources.values():
                    yield from self._tables(inner)
            return
        parts = source.name.split(".")
        if parts[0] == "source" and len(parts) > 2:  # noqa: PLR2004 - the source's name and the table's
            yield parts[1], parts[2]
        if (
            parts[0] == "ref"
            and (scopes := self._parsed.get(parts[-1]))
            and parts[-1] not in self._entered
        ):
            self._entered.add(parts[-1])
            yield from self._tables(scopes[-1])
            self._entered.discard(parts[-1])

    def _classify(self, column: exp.Column, name: str) -> None:
        value, user = cast("exp.Expr", column), column.parent
        while isinstance(user, _PASSED_ON):
            if isinstance(user, exp.Coalesce):
                self._compared(name, user)
            value, user = user, user.parent
        if isinstance(user, exp.Is) and isinstance(user.expression, exp.Null):
            is_negated = user.args.get("negate") or isinstance(user.parent, exp.Not)
            if not is_negated and _filters(user):
                self._found.absent.add(name)
        elif isinstance(user, _COMPARED):
            self._compared(name, user)
            if _filters(user):
                self._found.wanted.add(name)
        elif kind := _kind_by_use(value, user):
            self._found.kinds.setdefault(name, set()).add(kind)

    def _compared(self, name: str, user: exp.Expr) -> None:
        for literal in user.find_all(exp.Literal, exp.Boolean):
            if isinstance(literal, exp.Boolean):
                kind = "boolean"
            elif not literal.is_string:
                kind = "numeric"
            else:
                kind = "timestamp" if _DAY.match(literal.name) else "text"
                if _ANY not in literal.name:
                    self._found.literals.setdefault(name, []).append(literal.name)
            self._found.kinds.setdefault(name, set()).add(kind)


def _filters(user: exp.Expr) -> bool:
    """Tell whether `user` stands in the WHERE of a query, and not in a FILTER."""
    where = user.find_ancestor(exp.Where)
    return where is not None and isinstance(where.parent, exp.Select)


def _kind_by_use(value: exp.Expr, user: exp.Expr | None) -> str | None:
    """Return what kind of value `user` wants, None where it takes any."""
    if isinstance(user, exp.Cast) and user.this is value:
        return "timestamp" if user.is_type("date", "timestamp", "timestamptz") else None
    if isinstance(user, (exp.Add, exp.Sub)):
        other = user.expression if user.this is value else user.this
        if isinstance(other, exp.Interval):
            return "timestamp"
        return "numeric" if isinstance(other, exp.Literal) and not other.is_string else None
    if isinstance(user, (exp.Where, exp.Not, exp.And, exp.Or)):
        return "boolean"
    by_class = (("numeric", _FIGURES), ("timestamp", _MOMENTS), ("text", _TEXTS))
    return next((kind for kind, classes in by_class if isinstance(user, classes)), None)
