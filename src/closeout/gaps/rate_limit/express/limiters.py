"""Say what the limiters that guard a route really allow, by reading their options.

Names are followed through arrays, wrappers, constants and relative imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.model import Tree
from closeout.parsing.typescript import arguments, expression, find, identifiers, members, text_of
from closeout.parsing.typescript_expressions import bare
from closeout.parsing.typescript_names import Value
from closeout.parsing.typescript_values import TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

LIBRARY = "express-rate-limit"
_DEPTH = 6
_ACCOUNT = re.compile(r"email|user_?name|account|login_?id", re.IGNORECASE)
_ALWAYS = re.compile(r"(?:=>\s*|return\s+)true\b")
_SETTING = re.compile(r"process\.env(?!(?:\.|\[['\"])(?:NODE_ENV|APP_ENV|CI)\b)")
_UNREAD = "..."
_DEFAULT_LIMIT = 5.0
_DEFAULT_WINDOW_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """One limiter's options; a number is None where it is not written in the code."""

    name: str
    limit: float | None
    window_ms: float | None
    by_account: bool
    is_skipped: bool


def limiters(tree: Tree, path: PurePosixPath, written: str) -> tuple[Limiter, ...]:
    """Return every limiter that the expression `written`, of the file at `path`, leads to.

    Names are followed through arrays, wrappers and relative imports.
    """
    there = (path, expression(written))
    return tuple(_reachable(TypeScriptValues(tree), there, frozenset(), written.strip(". ")))


def _reachable(
    values: TypeScriptValues, there: Value, seen: frozenset[str], name: str
) -> Iterator[Limiter]:
    path, node = there
    if len(seen) > _DEPTH:
        return
    made = [call for call in find(node, "call_expression") if _is_factory(values, path, call)]
    for call in made:
        yield _limiter(values, path, call, name)
    for identifier in () if made else identifiers(node):
        key = f"{path}:{identifier}"
        found = None if key in seen else values.names.definition(path, identifier)
        if found is not None:
            yield from _reachable(values, found, seen | {key}, identifier)


def _is_factory(values: TypeScriptValues, path: PurePosixPath, call: Node) -> bool:
    imports = values.names.source(path).imports
    names = {name for item in imports if item.source == LIBRARY for name in item.names}
    function = call.child_by_field_name("function") or call
    method = text_of(function.child_by_field_name("property"))
    receiver = text_of(function.child_by_field_name("object"))
    return text_of(function) in names or (receiver in names and method in {"rateLimit", "default"})


def _limiter(values: TypeScriptValues, path: PurePosixPath, call: Node, name: str) -> Limiter:
    options = next((_options(values, (path, item)) for item in arguments(call)), {})
    # A limiter without a limit allows five a minute; one whose options are hidden, nobody knows.
    limit, window = (None, None) if _UNREAD in options else (_DEFAULT_LIMIT, _DEFAULT_WINDOW_MS)
    for option in ("max", "limit"):
        limit = values.number(*options[option]) if option in options else limit
    if "windowMs" in options:
        window = values.number(*options["windowMs"])
    key = options.get("keyGenerator")
    skip = text_of(options["skip"][1]) if "skip" in options else ""
    return Limiter(
        name=name,
        # A setting of the service that turns the limiter off leaves nothing to rely on.
        limit=None if _SETTING.search(skip) else limit,
        window_ms=window,
        by_account=key is not None
        and any(_ACCOUNT.search(text) for text in _spelled_out(values, key)),
        is_skipped=_ALWAYS.search(skip) is not None,
    )


def _options(values: TypeScriptValues, there: Value, depth: int = _DEPTH) -> dict[str, Value]:
    """Return the options by name; what cannot be followed stands under `_UNREAD`."""
    path, literal = there[0], bare(there[1])
    if literal.type != "object":
        found = values.resolved(path, literal) if depth > 0 else None
        return {_UNREAD: there} if found is None else _options(values, found, depth - 1)
    options: dict[str, Value] = {}
    for name, value in members(literal):
        if value.type == "spread_element":
            spread = _options(values, (path, value), depth - 1)
            options = spread if _UNREAD in spread else {**options, **spread}
        else:
            options[name] = (path, value)
    return options


def _spelled_out(values: TypeScriptValues, there: Value, depth: int = 4) -> Iterator[str]:
    """Yield the source text of an expression and the bodies of the functions that it calls."""
    path, node = there
    yield text_of(node)
    for name in identifiers(node) if depth else ():
        found = values.names.definition(path, name)
        if found is not None and text_of(found[1]) != text_of(node):
            yield from _spelled_out(values, found, depth - 1)
