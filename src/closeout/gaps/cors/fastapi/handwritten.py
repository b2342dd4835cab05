"""Find origin headers that code writes itself: `*`, or whatever origin asks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from closeout.parsing import python_walk
from closeout.parsing.python import Module

_HEADER = "access-control-allow-origin"
_ASKING = re.compile(r"headers(\.get\(|\[)\s*b?['\"]origin['\"]", re.IGNORECASE)


def open_headers(module: Module) -> Iterator[int]:
    """Yield the line of every header that lets any origin read the answer."""
    if _HEADER.encode() not in module.content.lower():
        return
    for node in module.nodes:
        for name, value in python_walk.headers(node):
            if name != _HEADER or not isinstance(value, ast.expr):
                continue
            if python_walk.text(value) == "*" or _repeats(value, module):
                yield value.lineno


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
        return not python_walk.sets_header(node) and any(
            ast.unparse(item) in spellings for item in node.args
        )
    return False
