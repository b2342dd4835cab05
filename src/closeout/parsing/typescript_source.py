"""What can be located in a TypeScript file: values that carry byte spans."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

ROUTE_METHODS = frozenset({"all", "delete", "get", "patch", "post", "put"})


_READ = re.compile(r"process\.env(?:\.(?P<name>\w+)|\[\s*['\"](?P<key>\w+)['\"]\s*\])")
_LINK = rf"{re.sub(r'[?]P<[a-z]+>', '?:', _READ.pattern)}(?:!|\s+as\s+\w+|\s*\??\.\w+\([^()]*\))*"
_CHAIN = re.compile(rf"{_LINK}(?:\s*(?:\|\||\?\?)\s*{_LINK})*")


def first_read(expression: str) -> str | None:
    """Return the variable that an expression asks first, where it only asks the environment."""
    read = _READ.match(expression) if _CHAIN.fullmatch(expression) else None
    return (read["name"] or read["key"]) if read else None


class SourceRange(Struct, frozen=True, kw_only=True):
    """Bytes `start` up to `end`, their source text, 1-based line and grammar kind."""

    start: int
    end: int
    line: int
    text: str
    kind: str


class Import(Struct, frozen=True, kw_only=True):
    """One import or `require`; `names` maps each local name to the exported one.

    A default import maps to "default", a namespace or a whole `require` to "*".
    """

    source: str
    names: Mapping[str, str]
    place: SourceRange


class Call(Struct, frozen=True, kw_only=True):
    """A call: `callee` as written, its receiver and method where it is a member call."""

    callee: str
    receiver: str
    method: str
    arguments: tuple[SourceRange, ...]
    place: SourceRange

    @property
    def path(self) -> str | None:
        """Return the first argument where it is a plain string, else None."""
        return string_value(self.arguments[0]) if self.arguments else None


class Fallback(Struct, frozen=True, kw_only=True):
    """A `process.env.NAME || 'literal'`, or the same with `??`.

    Other variables may be asked between the two: `asked` is all that stands before the literal.
    """

    variable: str
    literal: str
    place: SourceRange
    asked: SourceRange
    written: SourceRange

    @property
    def is_plain(self) -> bool:
        """Return whether the variable's value itself is all that goes before the literal."""
        return _READ.fullmatch(self.asked.text) is not None


class Definition(Struct, frozen=True, kw_only=True):
    """A named class, function, method or variable; `value` is its body or initializer."""

    name: str
    value: SourceRange
    place: SourceRange


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeScriptSource:
    """What a file holds, in the sequence of its text."""

    imports: tuple[Import, ...] = ()
    calls: tuple[Call, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    definitions: tuple[Definition, ...] = ()
    strings: tuple[SourceRange, ...] = ()
    error_line: int | None = None
    refusal: str = ""
    """Why nothing of it was read, empty where it was."""

    def definition(self, name: str) -> Definition | None:
        """Return the first definition of `name`, or None."""
        return next((item for item in self.definitions if item.name == name), None)

    def calls_in(self, place: SourceRange) -> tuple[Call, ...]:
        """Return the calls that begin in `place`."""
        first, end = (
            bisect_left(self.calls, at, key=lambda call: call.place.start)
            for at in (place.start, place.end)
        )
        return self.calls[first:end]

    def routes(self) -> tuple[Call, ...]:
        """Return `<router>.<method>('/path', handler, …)` calls."""
        return tuple(
            call
            for call in self.calls
            if call.method in ROUTE_METHODS
            and len(call.arguments) > 1
            and (call.path or "").startswith("/")
        )

    def mounts(self) -> tuple[Call, ...]:
        """Return `<app>.use(…)` calls."""
        return tuple(call for call in self.calls if call.method == "use")


def string_value(place: SourceRange) -> str | None:
    """Return the text of a plain string literal, None for anything else."""
    plain = place.kind == "string" or (place.kind == "template_string" and "${" not in place.text)
    return place.text[1:-1] if plain else None
