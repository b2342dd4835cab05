"""Find socket.io servers that every origin may connect to."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from closeout.parsing.python import Module

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


def open_sockets(module: Module) -> Iterator[ast.expr]:
    """Yield what tells a server that it may trust every origin."""
    if b"socket" not in module.content or _OPTION.encode() not in module.content:
        return
    for call, _, _ in module.calls:
        if module.qualified(call.func) not in _SERVERS:
            continue
        for option in call.keywords:
            if option.arg == _OPTION and _is_everybody(option.value):
                yield option.value


def _is_everybody(value: ast.expr) -> bool:
    items = value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else [value]
    return any(isinstance(item, ast.Constant) and item.value == "*" for item in items)
