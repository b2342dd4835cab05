"""Say what the limiters that guard a route really allow, by reading their options.

Names are followed through arrays, wrappers, constants and relative imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.gaps.rate_limit.express.constants import (
    Expression,
    Scope,
    lookup,
    number,
    resolved,
    scope_of,
)
from closeout.model import Tree
from closeout.parsing import typescript

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


def limiters(tree: Tree, path: PurePosixPath, expression: str) -> tuple[Limiter, ...]:
    """Return every limiter that `expression`, standing in the file at `path`, leads to.

    Names are followed through arrays, wrappers and relative imports.
    """
    scope = scope_of(tree, path)
    if scope is None:
        return ()
    return tuple(_reachable(tree, scope, expression, frozenset(), expression.strip(". ")))


def _reachable(
    tree: Tree, scope: Scope, text: str, seen: frozenset[str], name: str
) -> Iterator[Limiter]:
    if len(seen) > _DEPTH:
        return
    made = [call for call in typescript.read(text.encode()).calls if _is_factory(scope, call)]
    for call in made:
        yield _limiter(tree, scope, call, name)
    if made:
        return
    for identifier in typescript.identifiers(text):
        key = f"{scope.path}:{identifier}"
        if key in seen:
            continue
        found = lookup(tree, scope, identifier)
        if found is not None:
            yield from _reachable(tree, found.scope, found.text, seen | {key}, identifier)


def _is_factory(scope: Scope, call: typescript.Call) -> bool:
    names = {name for item in scope.source.imports if item.source == LIBRARY for name in item.names}
    is_member = call.method in {"rateLimit", "default"}
    return call.callee in names or (call.receiver in names and is_member)


def _limiter(tree: Tree, scope: Scope, call: typescript.Call, name: str) -> Limiter:
    options = _options(tree, scope, call.arguments[0].text) if call.arguments else {}
    # A limiter without a limit allows five a minute; one whose options are hidden, nobody knows.
    is_hidden = _UNREAD in options
    limit = options.get("limit", options.get("max", None if is_hidden else _DEFAULT_LIMIT))
    window = options.get("windowMs", None if is_hidden else _DEFAULT_WINDOW_MS)
    key = options.get("keyGenerator")
    skip = options.get("skip")
    return Limiter(
        name=name,
        limit=None if _is_switched(skip) else number(tree, limit),
        window_ms=number(tree, window),
        by_account=key is not None
        and any(_ACCOUNT.search(text) for text in _spelled_out(tree, key.scope, key.text)),
        is_skipped=skip is not None and _ALWAYS.search(skip.text) is not None,
    )


def _is_switched(skip: Expression | None) -> bool:
    """Return whether a setting of the service turns the limiter off."""
    return skip is not None and bool(_SETTING.search(skip.text))


def _options(tree: Tree, scope: Scope, text: str, depth: int = _DEPTH) -> dict[str, Expression]:
    """Return the options by name; what cannot be followed stands under `_UNREAD`."""
    there = Expression(scope=scope, text=text)
    if not text.startswith("{"):
        found = resolved(tree, there) if depth else None
        if found is None or found.text == text:
            return {_UNREAD: there}
        return _options(tree, found.scope, found.text, depth - 1)
    place = typescript.Place(start=0, end=len(text.encode()), line=1, text=text, kind="object")
    options: dict[str, Expression] = {}
    for name, value in typescript.properties(place).items():
        if name.startswith("..."):
            spread = _options(tree, scope, name[3:].strip("() "), depth - 1)
            options = spread if _UNREAD in spread else {**options, **spread}
        else:
            options[name] = Expression(scope=scope, text=value.text)
    return options


def _spelled_out(tree: Tree, scope: Scope, text: str, depth: int = 4) -> Iterator[str]:
    """Return `text` and the bodies of the functions that it calls."""
    yield text
    for name in typescript.identifiers(text) if depth and text else ():
        found = lookup(tree, scope, name)
        if found is not None and found.text != text:
            yield from _spelled_out(tree, found.scope, found.text, depth - 1)
