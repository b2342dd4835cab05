"""Read what a limiter's option comes to: numbers in constants, settings and other files."""

from __future__ import annotations

import ast
import operator
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.model import Tree
from closeout.parsing import typescript

_DEPTH = 6
_NUMBER_OF = re.compile(r"^(?:Number|parseInt|parseFloat)\((.*?)(?:,\s*10)?\)$", re.DOTALL)
_DEFAULT_EXPORT = re.compile(rb"export\s+default\s+(\w+)\s*;?\s*$", re.MULTILINE)
_CAST = re.compile(r"\s+(?:as|satisfies)\s+[\w.<>|\s]+$|!$")
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The file that an expression stands in."""

    path: PurePosixPath
    source: typescript.Source
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """Source text and the file whose names it means."""

    scope: Scope
    text: str


def scope_of(tree: Tree, path: PurePosixPath | None) -> Scope | None:
    """Return the file at `path` as a scope, or None."""
    content = None if path is None else tree.read(path)
    if path is None or content is None:
        return None
    return Scope(path=path, source=typescript.read(content), content=content)


def lookup(tree: Tree, scope: Scope, name: str) -> Expression | None:
    """Return what `name` stands for in `scope`, imported or not."""
    local = scope.source.definition(name)
    if local is not None:
        return Expression(scope=scope, text=local.value.text)
    for item in scope.source.imports:
        if name in item.names and item.source.startswith("."):
            there = scope_of(tree, target(tree, scope.path, item.source))
            exported = item.names[name]
            if there is not None and exported in {"default", "*"}:
                default = _DEFAULT_EXPORT.search(there.content)
                exported = default[1].decode() if default else ""
            found = there.source.definition(exported) if there is not None else None
            if there is not None and found is not None:
                return Expression(scope=there, text=found.value.text)
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
    bare = plain.removesuffix(".js").removesuffix(".ts")
    candidates = (f"{bare}.ts", f"{bare}/index.ts", f"{bare}.js", f"{bare}/index.js")
    found = next((name for name in candidates if tree.read(name) is not None), None)
    return None if found is None else PurePosixPath(found)


def resolved(tree: Tree, expression: Expression, depth: int = _DEPTH) -> Expression | None:
    """Return what a name or a dotted name stands for, None where that cannot be told."""
    text = _CAST.sub("", expression.text.strip().strip("()"))
    if not depth or not re.fullmatch(r"[\w$]+(?:\.[\w$]+)*", text):
        return None
    holder, _, member = text.rpartition(".")
    if not holder:
        return lookup(tree, expression.scope, member)
    module = _whole_module(tree, expression.scope, holder)
    if module is not None:
        found = lookup(tree, module, member)
        if found is not None:
            return found
    around = resolved(tree, Expression(scope=expression.scope, text=holder), depth - 1)
    if around is None or not around.text.lstrip("(").startswith("{"):
        return None
    text = _CAST.sub("", around.text.strip("()"))
    place = typescript.Place(start=0, end=len(text.encode()), line=1, text=text, kind="object")
    value = typescript.properties(place).get(member)
    return None if value is None else Expression(scope=around.scope, text=value.text)


def _whole_module(tree: Tree, scope: Scope, name: str) -> Scope | None:
    for item in scope.source.imports:
        if item.names.get(name) == "*" and item.source.startswith("."):
            return scope_of(tree, target(tree, scope.path, item.source))
    return None


def number(tree: Tree, expression: Expression | float | None, depth: int = _DEPTH) -> float | None:
    """Return what a numeric expression of constants comes to, None where it cannot be told.

    Where it asks the environment, its default counts.
    """
    if not isinstance(expression, Expression):
        return expression
    bare = _CAST.sub("", expression.text.strip())
    for part in (bare, *re.split(r"\|\||\?\?", bare)):
        wrapped = _NUMBER_OF.match(part.strip())
        if wrapped and _is_balanced(wrapped[1]):
            inner = Expression(scope=expression.scope, text=wrapped[1])
            value = number(tree, inner, depth - 1) if depth else None
        else:
            value = _arithmetic(tree, expression.scope, part.strip().strip("'\""), depth)
        if value is not None:
            return value
    return None


def _is_balanced(text: str) -> bool:
    return text.count("(") == text.count(")")


def _arithmetic(tree: Tree, scope: Scope, text: str, depth: int) -> float | None:
    try:
        parsed = ast.parse(text, mode="eval").body
        return _value(tree, scope, parsed, depth)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(tree: Tree, scope: Scope, node: ast.expr, depth: int) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left = _value(tree, scope, node.left, depth)
        right = _value(tree, scope, node.right, depth)
        if left is None or right is None:
            return None
        return float(_ARITHMETIC[type(node.op)](left, right))
    if isinstance(node, ast.Name | ast.Attribute) and depth:
        found = resolved(tree, Expression(scope=scope, text=ast.unparse(node)))
        return None if found is None else number(tree, found, depth - 1)
    return None
