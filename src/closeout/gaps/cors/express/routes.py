"""What the pages of an Express service need: the methods of its routes, the headers it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.tree import below
from closeout.gaps.cors.page_headers import of_service
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing.node_sources import is_source
from closeout.parsing.typescript_source import ROUTE_METHODS

if TYPE_CHECKING:
    from tree_sitter import Node

_ALL = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_ROUTING = re.compile(rb"\.(?:all|delete|get|patch|post|put)\s*\(")
_PROXIES = frozenset(
    {"http-proxy-middleware", "http-proxy", "express-http-proxy", "@fastify/http-proxy"}
)
_PROXYING = re.compile(rb"http-proxy|\.method\b")
_SENDING = re.compile(r"(?:^|\.)(?:\$?fetch|axios|got|request)$")
_OWN_METHOD = re.compile(r"(?:req|request|ctx|ctx\.req)\.method")
_READING = re.compile(rb"headers|\.(?:get|header)\(")
_SUBSCRIPT = re.compile(rb"""headers\??\.?\[['"`]([A-Za-z][\w-]*)['"`]\]""")


def route_methods(tree: Tree, folder: PurePosixPath) -> tuple[str, ...]:
    """Return the methods of the service's routes; all where it has none that can be read.

    A proxy has all of them: it hands on whatever comes.
    """
    found: set[str] = set()
    for content in _sources(tree, folder):
        if _PROXYING.search(content) and _is_proxy(content):
            return _ALL
        if not _ROUTING.search(content):
            continue
        source = typescript.read(content)
        calls = [*source.routes(), *(call for call in source.calls if ".route(" in call.receiver)]
        found |= {call.method for call in calls if call.method in ROUTE_METHODS}
    if not found or "all" in found:
        return _ALL
    return tuple(sorted({"GET", "HEAD", *(method.upper() for method in found)}))


def _is_proxy(content: bytes) -> bool:
    """Return whether the code hands requests on, by a library or under the method they came by."""
    if any(item.source in _PROXIES for item in typescript.read(content).imports):
        return True
    handed = typescript.find(typescript.parsed(content), "pair")
    return any(
        typescript.text_of(pair.child_by_field_name("key")) == "method"
        and _OWN_METHOD.fullmatch(typescript.text_of(pair.child_by_field_name("value")))
        and _SENDING.search(_called_with(pair))
        for pair in handed
    )


def _called_with(member: Node) -> str:
    """Return what is called with the object literal that `member` stands in, empty for nothing."""
    literal = member.parent
    given = None if literal is None else literal.parent
    call = None if given is None or given.type != "arguments" else given.parent
    return typescript.text_of(None if call is None else call.child_by_field_name("function"))


def request_headers(tree: Tree, folder: PurePosixPath) -> frozenset[str]:
    """Return the request headers of its own that the service's code reads."""
    found: set[str] = set()
    for content in _sources(tree, folder):
        if not _READING.search(content):
            continue
        found |= {name.decode().lower() for name in _SUBSCRIPT.findall(content)}
        for call in typescript.read(content).calls:
            is_request = call.receiver.rsplit(".", 1)[-1] in {"req", "request"}
            if call.method in {"get", "header"} and is_request and call.path:
                found.add(call.path.lower())
    return of_service(found)


def _sources(tree: Tree, folder: PurePosixPath) -> Iterator[bytes]:
    for path in below(tree, folder):
        if is_source(path):
            yield tree.read(path) or b""
