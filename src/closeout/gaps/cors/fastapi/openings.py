"""Find what trusts origins by no middleware: headers written by hand, and socket.io servers."""

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


_SERVERS = frozenset(
    {
        "socketio.AsyncServer",
        "socketio.Server",
        "socketio.async_server.AsyncServer",
        "flask_socketio.SocketIO",
        "fastapi_socketio.SocketManager",
    }
)
_OPTION = "cors_allowed_origins"
LISTING = ast.List | ast.Tuple | ast.Set


def open_sockets(module: Module) -> Iterator[ast.expr]:
    """Yield what tells a server that it may trust every origin."""
    if b"socket" not in module.content or _OPTION.encode() not in module.content:
        return
    for call, _, _ in module.calls:
        if module.qualified(call.func) not in _SERVERS:
            continue
        for option in call.keywords:
            if option.arg == _OPTION and is_everybody(option.value):
                yield option.value


def is_everybody(value: ast.expr) -> bool:
    """Return whether a value is the wildcard, or lists it."""
    items = value.elts if isinstance(value, LISTING) else [value]
    return any(isinstance(item, ast.Constant) and item.value == "*" for item in items)
