"""Find the request headers that a FastAPI service reads."""

from __future__ import annotations

import ast
from functools import lru_cache

from closeout.gaps.cors.page_headers import of_service
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python_walk import text

_HEADER_SIGNS = (b"headers", b"Header")


@lru_cache(maxsize=64)
def request_headers(service: FastApiService) -> frozenset[str]:
    """Return the `x-…` request headers that the service's code reads, in lower case."""
    found: set[str] = set()
    for _, module in service.holding(_HEADER_SIGNS):
        for node in module.nodes:
            found |= _header_read(node)
    return of_service(found)


def _header_read(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner, key = node.func.value, next(iter(node.args), None)
        is_read = node.func.attr == "get"
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        owner, key, is_read = node.value, node.slice, True
    elif isinstance(node, ast.arguments):
        return _header_parameters(node)
    else:
        return set()
    if not is_read or not (isinstance(owner, ast.Attribute) and owner.attr == "headers"):
        return set()
    return {text(key).lower()} - {""}


def _header_parameters(arguments: ast.arguments) -> set[str]:
    parameters = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip(reversed(parameters), reversed(arguments.defaults), strict=False))
    defaults |= {
        parameter: value
        for parameter, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value is not None
    }
    found: set[str] = set()
    for parameter, default in defaults.items():
        if isinstance(default, ast.Call) and ast.unparse(default.func).endswith("Header"):
            alias = next((item.value for item in default.keywords if item.arg == "alias"), None)
            name = alias.value if isinstance(alias, ast.Constant) else None
            found.add(name.lower() if isinstance(name, str) else parameter.arg.replace("_", "-"))
    return found
