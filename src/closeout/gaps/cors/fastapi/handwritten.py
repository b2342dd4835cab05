"""Find origin headers that code writes itself: `*`, or whatever origin asks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from closeout.parsing.python import Module

_HEADER = "access-control-allow-origin"
_ASKING = re.compile(r"headers(\.get\(|\[)\s*b?['\"]origin['\"]", re.IGNORECASE)
_WRITERS = frozenset(["setdefault", "append", "add", "__setitem__"])
_PAIR = 2


def open_headers(module: Module) -> Iterator[int]:
    """Yield the line of every header that lets any origin read the answer."""
    if _HEADER.encode() not in module.content.lower():
        return
    for node in module.nodes:
        for key, value in _pairs(node):
            if _text(key).lower() != _HEADER or not isinstance(value, ast.expr):
                continue
            if _text(value) == "*" or _repeats(value, module):
                yield value.lineno


def _pairs(node: ast.AST) -> Iterator[tuple[ast.AST | None, ast.AST]]:
    """Yield the shapes in which code writes a header: index, dictionary, pair and call."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield node.targets[0].slice, node.value
    elif isinstance(node, ast.Dict):
        yield from zip(node.keys, node.values, strict=True)
    elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) == _PAIR:
        yield node.elts[0], node.elts[1]
    elif isinstance(node, ast.Call) and _writes(node) and len(node.args) == _PAIR:
        yield node.args[0], node.args[1]


def _writes(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in _WRITERS


def _repeats(value: ast.expr, module: Module) -> bool:
    """Tell whether the value is the asking origin, and nothing in the module weighs that first."""
    name = value.id if isinstance(value, ast.Name) else ""
    origins = [value, *module.assigned(name)]
    if not any(_ASKING.search(ast.unparse(origin)) for origin in origins):
        return False
    spellings = {ast.unparse(origin) for origin in origins}
    return not any(_weighs(node, spellings) for node in module.nodes)


def _weighs(node: ast.AST, spellings: set[str]) -> bool:
    """Tell whether `node` compares one of the spellings with something, or hands it to a check."""
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        others = [item for item in operands if not isinstance(item, ast.Constant)]
        return len(others) > 1 and any(ast.unparse(item) in spellings for item in others)
    if isinstance(node, ast.Call):
        return not _writes(node) and any(ast.unparse(item) in spellings for item in node.args)
    return False


def _text(node: ast.AST | None) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""
