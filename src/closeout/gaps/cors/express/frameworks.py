"""Find what trusts origins by no cors(…): options of Fastify, Koa, NestJS, and socket.io servers.

The options are judged here, and mended by a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.gaps.cors.express.openings import opening_of
from closeout.parsing import typescript
from closeout.parsing.typescript import arguments, find, members, place_of, text_of
from closeout.parsing.typescript_values import Leaf, TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

SIGNS = re.compile(
    rb"""['"`](?:@fastify/cors|fastify-cors|@koa/cors|koa2-cors)['"`]|\benableCors\s*\(|\bcors\s*:"""
)
_PACKAGES = re.compile(r"(?:@fastify/|fastify-|@koa/|koa2-)cors")


def open_lines(
    values: TypeScriptValues, path: PurePosixPath, source: typescript.TypeScriptSource
) -> Iterator[int]:
    """Yield the lines that let every origin in by a framework's own option."""
    names = {
        name for item in source.imports if _PACKAGES.fullmatch(item.source) for name in item.names
    }
    for call in source.calls:
        given = _given(call, names)
        if given is None:
            continue
        if not given:
            yield call.place.line
        for leaf in values.at(path, given[0]) if given else ():
            is_open = leaf.kind in {"true", "undefined"}
            if leaf.kind == "object":
                is_open = opening_of(values, leaf, values.members(leaf, "origin"))[0] is not None
            if is_open:
                yield call.place.line
                break


def _given(call: typescript.Call, names: set[str]) -> tuple[typescript.SourceRange, ...] | None:
    """Return what a call says of origins, nothing for the default; None where it is another."""
    if call.method == "enableCors":
        return call.arguments[:1]
    if call.method == "register" and call.arguments:
        plugin = call.arguments[0].text
        if plugin in names or _PACKAGES.search(plugin):
            return call.arguments[1:2]
    if call.callee in names and call.method != "register":
        return call.arguments[:1]
    if call.callee in {"NestFactory.create", "Fastify", "fastify"}:
        objects = (item for item in call.arguments if item.kind == "object")
        return next(
            (
                (told["cors"],)
                for item in objects
                if "cors" in (told := typescript.properties(item))
            ),
            None,
        )
    return None


LIBRARY = "socket.io"


def socket_policies(
    values: TypeScriptValues, path: PurePosixPath, source: typescript.TypeScriptSource
) -> Iterator[tuple[typescript.Call, Leaf]]:
    """Yield each server that the file makes with the object that is its cross-origin policy.

    One without a policy answers its own origin alone.
    """
    names = {name for item in source.imports if item.source == LIBRARY for name in item.names}
    root = values.names.root(path) if names else None
    for node in () if root is None else find(root, "new_expression", "call_expression"):
        if _made(node).split(".")[0] not in names:
            continue
        for given in arguments(node):
            for literal in values.at(path, place_of(given)):
                for key, value in members(literal.node) if literal.kind == "object" else ():
                    if key == "cors":
                        held = values.of(literal, value)
                        yield from ((_call(node), leaf) for leaf in held if leaf.kind == "object")


def _made(node: Node) -> str:
    return text_of(node.child_by_field_name("constructor") or node.child_by_field_name("function"))


def _call(node: Node) -> typescript.Call:
    return typescript.Call(
        callee=_made(node), receiver="", method="", arguments=(), place=place_of(node)
    )
