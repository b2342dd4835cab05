"""Say what the limiters that guard a route really allow, by reading their options.

Names are followed through arrays, wrappers, constants and relative imports.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.model import Tree
from closeout.parsing.typescript import (
    arguments,
    code_of,
    expression,
    find,
    identifiers,
    members,
    text_of,
)
from closeout.parsing.typescript_expressions import bare
from closeout.parsing.typescript_names import Value
from closeout.parsing.typescript_tree import parameters
from closeout.parsing.typescript_values import TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

LIBRARY = "express-rate-limit"
_DEPTH = 6
_ACCOUNT = re.compile(r"email|user_?name|account|login_?id", re.IGNORECASE)
_FRESH = re.compile(r"\bMath\.random\b|\brandomUUID\b|\bnanoid\b|\buuid(?:v4)?\(")
_SETTING = re.compile(r"process\.env(?!(?:\.|\[['\"])(?:NODE_ENV|APP_ENV|CI)\b)")
_UNREAD = "..."
_WITH_NEXT = 3
_DEFAULT_LIMIT = 5.0
_DEFAULT_WINDOW_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """One limiter's options; a number is None where it is not written in the code."""

    name: str
    limit: float | None
    window_ms: float | None
    by_account: bool
    flaw: str
    """What keeps it from limiting failures at all, empty where nothing does."""
    variables: frozenset[str]
    """The environment's variables that its numbers hang on."""


def limiters(
    tree: Tree, path: PurePosixPath, written: str, environment: Mapping[str, str] | None = None
) -> tuple[Limiter, ...]:
    """Return every limiter that the expression `written`, of the file at `path`, leads to.

    Numbers may come from `environment`.
    """
    there = (path, expression(written))
    values = TypeScriptValues(tree, environment)
    return tuple(_reachable(values, there, frozenset(), written.strip(". ")))


def _reachable(
    values: TypeScriptValues, there: Value, seen: frozenset[str], name: str
) -> Iterator[Limiter]:
    path, node = there
    if len(seen) > _DEPTH:
        return
    made = factories(values, path, node)
    for call in made:
        yield _limiter(values, path, call, name)
    for identifier in () if made else identifiers(node):
        key = f"{path}:{identifier}"
        found = None if key in seen else values.names.definition(path, identifier)
        if found is not None:
            yield from _reachable(values, found, seen | {key}, identifier)


def factories(values: TypeScriptValues, path: PurePosixPath, node: Node) -> list[Node]:
    """Return the calls below `node`, of the file at `path`, that make a limiter."""
    names = makers(values, path)
    return [call for call in find(node, "call_expression") if _is_factory(names, call)]


def makers(values: TypeScriptValues, path: PurePosixPath) -> frozenset[str]:
    """Return what the file at `path` calls that which makes limiters."""
    imports = values.names.source(path).imports
    return frozenset(name for item in imports if item.source == LIBRARY for name in item.names)


def _is_factory(names: Collection[str], call: Node) -> bool:
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
    skip = code_of(options["skip"][1]) if "skip" in options else ""
    keys = () if key is None else tuple(_spelled_out(values, key))
    return Limiter(
        name=name,
        # A setting of the service that turns the limiter off leaves nothing to rely on.
        limit=None if _SETTING.search(skip) else limit,
        window_ms=window,
        by_account=any(_ACCOUNT.search(text) for text in keys),
        flaw=_flaw(values, options, keys),
        variables=frozenset(values.asked),
    )


def _flaw(values: TypeScriptValues, options: Mapping[str, Value], keys: tuple[str, ...]) -> str:
    """Return why the limiter never refuses a failed attempt, whatever its numbers are."""
    if "skip" in options and _is_always(values, options["skip"]):
        return "is skipped for every request"
    failed = options.get("skipFailedRequests")
    if failed is not None and _is_true(bare(_behind(values, failed)[1])):
        return "counts no failed attempt"
    if any(_FRESH.search(text) for text in keys):
        return "counts every request under a key of its own"
    handler = options.get("handler")
    if handler is not None and _lets_through(_behind(values, handler)[1]):
        return "hands on what it should refuse"
    return ""


def _behind(values: TypeScriptValues, there: Value) -> Value:
    return values.resolved(*there) or there


def _is_always(values: TypeScriptValues, there: Value) -> bool:
    """Return whether the function says true before any condition."""
    node = bare(_behind(values, there)[1])
    body = node.child_by_field_name("body")
    if body is None or body.type != "statement_block":
        return body is not None and _is_true(bare(body))
    first = next((item for item in body.named_children if item.type != "comment"), body)
    returned = first.named_children if first.type == "return_statement" else []
    return any(_is_true(bare(item)) for item in returned)


def _is_true(node: Node) -> bool:
    return text_of(node) in {"true", "!0", "!false", "1"}


def _lets_through(node: Node) -> bool:
    """Return whether a limiter's own handler calls `next` and never the answer."""
    names = parameters(bare(node))
    if len(names) < _WITH_NEXT:
        return False
    called = {
        text_of(call.child_by_field_name("function")) for call in find(node, "call_expression")
    }
    answers = any(name.startswith(f"{names[1]}.") for name in called)
    return names[2] in called and not answers


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
    """Yield the code of an expression and of the functions that it calls, comments left out."""
    path, node = there
    yield code_of(node)
    for name in identifiers(node) if depth else ():
        found = values.names.definition(path, name)
        if found is not None and text_of(found[1]) != text_of(node):
            yield from _spelled_out(values, found, depth - 1)
