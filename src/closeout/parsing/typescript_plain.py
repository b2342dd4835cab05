"""Write TypeScript of ours as JavaScript: types taken out, imports in the service's manner.

It is made for the templates of this project, not for any TypeScript: enums, namespaces, decorators
and parameter properties have a meaning at run time and are not handled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice, line_end, splice
from closeout.parsing.typescript import find, parsed, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_TYPES = frozenset(
    {"type_annotation", "type_arguments", "type_parameters", "type_predicate_annotation"}
)
_STATEMENTS = frozenset({"interface_declaration", "type_alias_declaration"})
_WORDS = frozenset({"accessibility_modifier", "implements_clause", "readonly"})
_CASTS = frozenset({"as_expression", "non_null_expression", "satisfies_expression"})


class Modules(Enum):
    """How files of a service refer to each other."""

    ES = "es"
    COMMONJS = "commonjs"


def plain(content: bytes, modules: Modules) -> bytes:
    """Return `content` as JavaScript that does the same."""
    root = parsed(content)
    exported: list[str] = []
    splices = list(_without_types(content, root, modules, exported))
    text = splice(content, splices)
    text = re.sub(rb"\n{3,}", b"\n\n", text).lstrip(b"\n")
    if modules is Modules.ES:
        return text
    names = ", ".join(exported)
    return (
        b"'use strict'\n\n" + text.rstrip(b"\n") + f"\n\nmodule.exports = {{ {names} }}\n".encode()
    )


def _without_types(
    content: bytes, node: Node, modules: Modules, exported: list[str]
) -> Iterator[Splice]:
    for child in node.children:
        if child.type in _TYPES or (child.type == "?" and node.type == "optional_parameter"):
            yield Splice(start=child.start_byte, end=child.end_byte, text="")
        elif child.type in _WORDS:
            yield Splice(start=child.start_byte, end=_after_blank(content, child.end_byte), text="")
        elif child.type in _STATEMENTS or _is_type_export(child):
            yield Splice(start=child.start_byte, end=line_end(content, child.end_byte), text="")
        elif child.type == "import_statement":
            yield from _import(content, child, modules)
        elif child.type in _CASTS:
            inner = child.named_children[0]
            yield from _without_types(content, inner, modules, exported)
            yield Splice(start=inner.end_byte, end=child.end_byte, text="")
        else:
            if child.type == "export_statement" and modules is Modules.COMMONJS:
                yield from _exported(child, exported)
            yield from _without_types(content, child, modules, exported)


def _exported(node: Node, exported: list[str]) -> Iterator[Splice]:
    declared = node.child_by_field_name("declaration")
    if declared is None:
        return
    yield Splice(start=node.start_byte, end=declared.start_byte, text="")
    named = declared.child_by_field_name("name") or declared.named_children[0].child_by_field_name(
        "name"
    )
    exported += [] if named is None else [text_of(named)]


def _is_type_export(node: Node) -> bool:
    declared = node.child_by_field_name("declaration") if node.type == "export_statement" else None
    return declared is not None and declared.type in _STATEMENTS


def _import(content: bytes, node: Node, modules: Modules) -> Iterator[Splice]:
    parts = [text_of(part) for part in find(node, "import_specifier")]
    is_type = any(child.type == "type" for child in node.children)
    kept = [part for part in parts if not part.startswith("type ")]
    start, end = node.start_byte, line_end(content, node.end_byte)
    if is_type or not kept:
        yield Splice(start=start, end=end, text="")
        return
    source = node.child_by_field_name("source")
    close = ";" if text_of(node).endswith(";") else ""
    if modules is Modules.ES:
        text = f"import {{ {', '.join(kept)} }} from {text_of(source)}{close}"
    else:
        names = ", ".join(name.replace(" as ", ": ") for name in kept)
        text = f"const {{ {names} }} = require({text_of(source)}){close}"
    yield Splice(start=start, end=node.end_byte, text=text)


def _after_blank(content: bytes, offset: int) -> int:
    return offset + (content[offset : offset + 1] == b" ")
