"""Find socket.io servers of Node services, and the policy that each is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.parsing import typescript
from closeout.parsing.typescript import arguments, find, members, place_of, text_of
from closeout.parsing.typescript_values import Leaf, TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

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
