"""Parse TypeScript into a syntax tree, and refuse what is too large or nests too deeply.

The grammar is loaded on first use.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from sys import intern
from typing import TYPE_CHECKING

from closeout.parsing.bounds import MOST_BYTES
from closeout.parsing.memo import Remembered, on_trial

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Query

_DEEPEST = 300
"""Nodes inside each other; sources of people have about forty."""
_MOST_BROKEN = 50_000
"""Nodes of a file that does not parse: its parts lie side by side, and a search of them is slow."""
_STRIDE = 64
"""Nodes from one look at the depth to the next: what nests deeply has more inside each other."""


def parsed(content: bytes) -> Node:
    """Return the syntax tree's root, for the other anchors; that of an empty file where refused."""
    return _root(b"" if refusal(content) else content)


@on_trial
def _root(content: bytes) -> Node:
    return _parser().parse(content).root_node


@Remembered
def refusal(content: bytes) -> str:
    """Return why a file is not read: what follows its values takes steps by depth."""
    if len(content) > MOST_BYTES:
        return f"{len(content):,} bytes are too many for a source"
    root = _root(content)
    if root.has_error and root.descendant_count > _MOST_BROKEN:
        return "it does not parse"
    walk = root.walk()
    for number in range(0, root.descendant_count, _STRIDE):
        walk.goto_descendant(number)
        if walk.depth > _DEEPEST:
            return f"it nests more than {_DEEPEST} deep"
    return ""


def expression(text: str) -> Node:
    """Return the syntax tree of an expression that stands in no file."""
    node = _parser().parse(f"({text})".encode()).root_node
    while node.type in {"program", "expression_statement"} and len(node.named_children) == 1:
        node = node.named_children[0]
    return node


def find(node: Node, *kinds: str) -> list[Node]:
    """Return the named nodes of `kinds`, `node` itself and below it, in the text's sequence."""
    return list(_of_file(node, kinds)) if node.parent is None else _found(node, kinds)


@lru_cache(maxsize=4)
def _of_file(root: Node, kinds: tuple[str, ...]) -> list[Node]:
    """Return what a whole file holds: each place of it may ask that again."""
    return _found(root, kinds)


def _found(node: Node, kinds: tuple[str, ...]) -> list[Node]:
    import tree_sitter  # noqa: PLC0415 - the grammar is native code; most trees never need it

    found = tree_sitter.QueryCursor(_query(kinds)).matches(node)
    return [captured for _, captures in found for captured in captures["it"]]


def fragment(content: bytes) -> Node:
    """Return the syntax tree of a part of a file that was parsed."""
    return _parser().parse(content).root_node


def text_of(node: Node | None) -> str:
    """Return the source text of `node`, empty for none; what is written often is held once."""
    return intern((node.text or b"").decode("utf-8", "replace")) if node is not None else ""


def children(node: Node) -> list[Node]:
    """Return the named nodes right below `node`, comments left out."""
    return [child for child in node.named_children if child.type != "comment"]


def above(node: Node) -> Iterator[Node]:
    """Yield what stands around `node`, the innermost first."""
    around = node.parent
    while around is not None:
        yield around
        around = around.parent


def parameters(function: Node) -> list[str]:
    """Return what a function calls its parameters, TypeScript's `this` left out."""
    single = function.child_by_field_name("parameter")
    listed = function.child_by_field_name("parameters")
    given = [single] if single is not None else listed.named_children if listed is not None else []
    names = [text_of(item.child_by_field_name("pattern") or item) for item in given]
    return [name for name in names if name != "this"]


def code_of(node: Node) -> str:
    """Return the source text of `node`, its comments blanked, and its strings that name nothing.

    What stands between brackets behind an object is a member's name.
    """
    content = bytearray(node.text or b"")
    for part in find(node, "comment", "string_fragment"):
        around = part.parent.parent if part.parent is not None else None
        if part.type == "comment" or around is None or around.type != "subscript_expression":
            start = part.start_byte - node.start_byte
            length = part.end_byte - part.start_byte
            content[start : start + length] = b" " * length
    return content.decode("utf-8", "replace")


def first_error(root: Node) -> int | None:
    """Return the first 1-based line that does not parse, None where all does."""
    broken = find(root, "ERROR", "MISSING") if root.has_error else ()
    lines = [node.start_point.row + 1 for node in broken]
    return min(lines, default=1) if root.has_error else None


@cache
def _language() -> Language:
    import tree_sitter  # noqa: PLC0415 - as above
    import tree_sitter_typescript  # noqa: PLC0415 - as above

    return tree_sitter.Language(tree_sitter_typescript.language_typescript())


@cache
def _parser() -> Parser:
    import tree_sitter  # noqa: PLC0415 - as above

    return tree_sitter.Parser(_language())


@cache
def _query(kinds: tuple[str, ...]) -> Query:
    import tree_sitter  # noqa: PLC0415 - as above

    return tree_sitter.Query(_language(), f"[{' '.join(f'({kind})' for kind in kinds)}] @it")
