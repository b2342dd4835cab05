"""Say what the limiters that guard a route really allow, by reading their options."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.anchors import typescript
from closeout.tree import Tree

LIBRARY = "express-rate-limit"
_DEPTH = 6
_ACCOUNT = re.compile(r"email|user_?name|account|login_?id", re.IGNORECASE)
_ALWAYS = re.compile(r"(?:=>\s*|return\s+)true\b")
_NUMBER_OF = re.compile(r"^(?:Number|parseInt|parseFloat)\((.*?)(?:,\s*10)?\)$", re.DOTALL)
_DEFAULT_EXPORT = re.compile(rb"export\s+default\s+(\w+)\s*;?\s*$", re.MULTILINE)
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """One limiter's options; a number is None where it is not written in the code."""

    name: str
    limit: float | None
    window_ms: float | None
    by_account: bool
    is_skipped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    path: PurePosixPath
    source: typescript.Source
    content: bytes


def limiters(tree: Tree, path: PurePosixPath, expression: str) -> tuple[Limiter, ...]:
    """Return every limiter that `expression`, standing in the file at `path`, leads to.

    Names are followed through arrays, wrappers and relative imports.
    """
    scope = _scope(tree, path)
    if scope is None:
        return ()
    return tuple(_reachable(tree, scope, expression, frozenset(), expression.strip(". ")))


def _reachable(
    tree: Tree, scope: _Scope, text: str, seen: frozenset[str], name: str
) -> Iterator[Limiter]:
    if len(seen) > _DEPTH:
        return
    made = [call for call in typescript.read(text.encode()).calls if _is_factory(scope, call)]
    for call in made:
        yield _limiter(scope, call, name)
    if made:
        return
    for identifier in typescript.identifiers(text):
        key = f"{scope.path}:{identifier}"
        if key in seen:
            continue
        found = _lookup(tree, scope, identifier)
        if found is not None:
            there, value = found
            yield from _reachable(tree, there, value, seen | {key}, identifier)


def _is_factory(scope: _Scope, call: typescript.Call) -> bool:
    names = {name for item in scope.source.imports if item.source == LIBRARY for name in item.names}
    return call.callee in names or (call.receiver in names and call.method == "rateLimit")


def _lookup(tree: Tree, scope: _Scope, name: str) -> tuple[_Scope, str] | None:
    """Return the file and the source text of what `name` stands for."""
    local = scope.source.definition(name)
    if local is not None:
        return scope, local.value.text
    for item in scope.source.imports:
        if name in item.names and item.source.startswith("."):
            there = _scope(tree, target(tree, scope.path, item.source))
            exported = item.names[name]
            if there is not None and exported == "default":
                default = _DEFAULT_EXPORT.search(there.content)
                exported = default[1].decode() if default else ""
            found = there.source.definition(exported) if there is not None else None
            if there is not None and found is not None:
                return there, found.value.text
    return None


def target(tree: Tree, importer: PurePosixPath, specifier: str) -> PurePosixPath | None:
    """Return the file that a relative import names, or None."""
    parts: list[str] = list(importer.parent.parts)
    for part in PurePosixPath(specifier).parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in {".", ".."}:
            parts.append(part)
    plain = "/".join(parts)
    bare = plain.removesuffix(".js")
    candidates = (f"{bare}.ts", f"{bare}/index.ts", f"{bare}.js", f"{bare}/index.js")
    found = next((name for name in candidates if tree.read(name) is not None), None)
    return None if found is None else PurePosixPath(found)


def _scope(tree: Tree, path: PurePosixPath | None) -> _Scope | None:
    content = None if path is None else tree.read(path)
    if path is None or content is None:
        return None
    return _Scope(path=path, source=typescript.read(content), content=content)


def _limiter(scope: _Scope, call: typescript.Call, name: str) -> Limiter:
    options = _options(scope, call.arguments[0].text) if call.arguments else {}
    limit = options.get("limit", options.get("max"))
    window = options.get("windowMs")
    key = options.get("keyGenerator", "")
    return Limiter(
        name=name,
        limit=5 if limit is None else number(scope.source, limit),
        window_ms=60_000 if window is None else number(scope.source, window),
        by_account=any(_ACCOUNT.search(text) for text in _spelled_out(scope.source, key)),
        is_skipped=_ALWAYS.search(options.get("skip", "")) is not None,
    )


def _options(scope: _Scope, text: str) -> dict[str, str]:
    place = typescript.Place(start=0, end=len(text.encode()), line=1, text=text, kind="object")
    if not text.startswith("{"):
        definition = scope.source.definition(text)
        return {} if definition is None else _options(scope, definition.value.text)
    found: dict[str, str] = {}
    for name, value in typescript.properties(place).items():
        if name.startswith("..."):
            found.update(_options(scope, name[3:]) if name[3:].isidentifier() else {})
        else:
            found[name] = value.text
    return found


def _spelled_out(source: typescript.Source, text: str, depth: int = 4) -> Iterator[str]:
    """Return `text` and the bodies of the functions in the same file that it calls."""
    yield text
    if depth and text:
        for name in typescript.identifiers(text):
            definition = source.definition(name)
            if definition is not None and definition.value.text != text:
                yield from _spelled_out(source, definition.value.text, depth - 1)


def number(source: typescript.Source, text: str, depth: int = 4) -> float | None:
    """Return what a numeric expression of constants comes to, None where it cannot be told.

    Where it asks the environment, its default counts.
    """
    bare = text.strip()
    wrapped = _NUMBER_OF.match(bare)
    if wrapped:
        return number(source, wrapped[1], depth)
    for part in re.split(r"\|\||\?\?", bare):
        wrapped = _NUMBER_OF.match(part.strip())
        if wrapped:
            value = number(source, wrapped[1], depth)
        else:
            value = _arithmetic(source, part.strip().strip("'\""), depth)
        if value is not None:
            return value
    return None


def _arithmetic(source: typescript.Source, text: str, depth: int) -> float | None:
    try:
        parsed = ast.parse(text, mode="eval").body
        return _value(source, parsed, depth)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


def _value(source: typescript.Source, node: ast.expr, depth: int) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _value(source, node.left, depth), _value(source, node.right, depth)
        if left is None or right is None:
            return None
        return float(_ARITHMETIC[type(node.op)](left, right))
    if isinstance(node, ast.Name) and depth:
        definition = source.definition(node.id)
        return None if definition is None else number(source, definition.value.text, depth - 1)
    return None
