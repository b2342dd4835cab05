"""Walk a parsed module's statements and expressions without recursion; read its literals."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

_WRITERS = frozenset(["setdefault", "append", "add", "__setitem__"])
_PAIR = 2
_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)

_TEXTS = frozenset(
    ["arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "module"]
) | frozenset(["op", "ops", "rest", "simple", "tag", "type_comment"])
"""Fields that hold no node with a place in the source, in whatever node they stand."""


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields by kind of node that may hold nodes with a place in the source."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        held = () if kind is ast.Constant else kind._fields
        self[kind] = tuple(name for name in held if name not in _TEXTS)
        return self[kind]


_FIELDS = _Fields()
Scope = ast.FunctionDef | ast.AsyncFunctionDef


def nodes(tree: ast.AST) -> list[ast.AST]:
    """Return the node and all below it in the order of `ast.walk`, at a third of its cost.

    Operators and contexts, which have no place in the source, are left out.
    """
    found = [tree]
    fields = _FIELDS
    for node in found:  # it grows meanwhile, and so does this loop
        for name in fields[type(node)]:
            value = getattr(node, name, None)
            if isinstance(value, list):
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def nesting(tree: ast.AST) -> int:
    """Return how deeply the deepest expression nests; a chain of calls nests once a call.

    A sum of hundreds of texts, as generators write them, nests in the tree and not in the text:
    its parts count as the sum does.
    """
    deepest = 0
    fields = _FIELDS
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > deepest:  # noqa: PLR1730 - asked of every node; a call takes longer than the rest
            deepest = depth
        below = depth if isinstance(node, ast.BinOp) else depth + 1
        for name in fields[type(node)]:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                waiting.append((value, below if isinstance(value, ast.expr) else 0))
            elif isinstance(value, list):
                waiting += [
                    (part, below if isinstance(part, ast.expr) else 0)
                    for part in value
                    if isinstance(part, ast.AST)
                ]
    return deepest


def statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, Scope | None]]:
    """Yield every statement below `body` with the innermost function it stands in."""
    # A stack of our own: a long chain of `elif` nests deeper than the interpreter lets us recurse.
    waiting: list[tuple[ast.stmt, Scope | None]] = [(item, None) for item in reversed(body)]
    while waiting:
        statement, owner = waiting.pop()
        yield statement, owner
        inner = statement if isinstance(statement, Scope) else owner
        waiting.extend((item, inner) for item in reversed(list(_blocks(statement))))


def _blocks(statement: ast.stmt) -> Iterator[ast.stmt]:
    yield from getattr(statement, "body", ())
    for branch in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield from branch.body
    yield from getattr(statement, "orelse", ())
    yield from getattr(statement, "finalbody", ())


def expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield what stands in `statement` itself, without the statements inside it."""
    waiting: list[ast.AST] = [statement]
    fields = _FIELDS
    while waiting:
        node = waiting.pop()
        for name in fields[type(node)]:
            value = getattr(node, name, None)
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, ast.AST) and not isinstance(child, _STATEMENTS):
                    yield child
                    waiting.append(child)


def assignment(statement: ast.stmt) -> tuple[ast.expr | None, list[ast.expr]]:
    """Return what a statement assigns, and to what; None and nothing where it assigns nothing."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value, [statement.target]
    return (statement.value, statement.targets) if isinstance(statement, ast.Assign) else (None, [])


def headers(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield a header and its value where a node writes it: by index, dictionary, pair or call."""
    for key, value in _pairs(node):
        if name := text(key).lower():
            yield name, value


def _pairs(node: ast.AST) -> Iterator[tuple[ast.AST | None, ast.AST]]:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield node.targets[0].slice, node.value
    elif isinstance(node, ast.Dict):
        yield from zip(node.keys, node.values, strict=True)
    elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) == _PAIR:
        yield node.elts[0], node.elts[1]
    elif isinstance(node, ast.Call) and sets_header(node) and len(node.args) == _PAIR:
        yield node.args[0], node.args[1]


def sets_header(call: ast.Call) -> bool:
    """Return whether a call's method is one that writes a header."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in _WRITERS


def text(node: ast.AST | None) -> str:
    """Return what a literal of text or bytes holds, nothing for all else."""
    value = node.value if isinstance(node, ast.Constant) else ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""


def entries(node: ast.AST) -> Mapping[str, ast.expr] | None:
    """Return what a literal dictionary, or `dict(...)`, holds by text key; None for all else."""
    if isinstance(node, ast.Dict):
        return {
            key.value: value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    return None
