"""Say which request headers the tree's own pages send, and which a FastAPI service reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from closeout.fs.once import once
from closeout.fs.prefilter import holds_in_any_case, matches, question
from closeout.model import Tree
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python_walk import text

ON_EVERY_LIST = (
    "authorization",
    "content-type",
    "idempotency-key",
    "x-correlation-id",
    "x-request-id",
)
"""The request headers that every policy allows."""

_TENANT = "x-tenant-id"
_NOT_OF_PAGES = frozenset(
    {
        *("x-correlation-id", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        *("x-real-ip", "x-request-id", _TENANT),
    }
)
"""Set by proxies, or on every policy's list anyway."""

_PAGES = re.compile(
    rb'"(?:react-dom|vue|svelte|@angular/core|preact|solid-js|vite|react-scripts|next|nuxt)"\s*:'
)
_FRONT_END = question(
    (".json",),
    lambda content: bool(_PAGES.search(content)),
    lambda path: path.name == "package.json" and "node_modules" not in path.parts,
)
_SENT = re.compile(rb"""['"`](x-[a-z][a-z0-9-]{1,40})['"`]""", re.IGNORECASE)
_HEADER_SIGNS = (b"headers", b"Header")
_CHEAP_SIGNS = (b"'x-", b'"x-', b"`x-")
_SENDING = question(
    (".ts", ".tsx", ".js", ".jsx", ".mjs", ".vue", ".svelte"),
    lambda content: holds_in_any_case(content, _CHEAP_SIGNS) and matches(content, _SENT),
    lambda path: ".config." not in path.name and "node_modules" not in path.parts,
)
_ANSWERED = re.compile(
    r"x-(?:frame-options|content-type-options|xss-protection|powered-by|forwarded-.*|real-ip"
    r"|dns-prefetch-control|ratelimit-.*|accel-.*)"
)
"""Written by servers and proxies, never by a page."""


@once
def sent(tree: Tree, *, tenants: bool) -> tuple[str, ...]:
    """Return what a policy allows pages to send: the usual headers and those of this tree's.

    `tenants` says whether the tree's services tell tenants apart.
    """
    return tuple(sorted({*ON_EVERY_LIST, *_own(tree), *((_TENANT,) if tenants else ())}))


def of_service(read: Iterable[str]) -> frozenset[str]:
    """Return the `x-…` headers, in lower case, that a policy has to list for what code reads."""
    return frozenset(name for name in read if name.startswith("x-")) - _NOT_OF_PAGES


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


def _own(tree: Tree) -> Iterator[str]:
    folders = {path.parent for path in tree.candidates(_FRONT_END)}
    for path in tree.candidates(_SENDING) if folders else ():
        if not folders.isdisjoint(path.parents):
            found = _SENT.findall(tree.read(path) or b"")
            names = (name.decode().lower() for name in found)
            yield from (name for name in names if not _ANSWERED.fullmatch(name))
