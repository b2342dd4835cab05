"""Locate TypeScript by parsing it: imports, calls, definitions, literals, as byte spans.

The grammar is loaded on first use, so prefilter by bytes before asking. A file that does not
parse still gives what stands outside the broken part: ask `syntax_error` before an edit.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING

from closeout.parsing import typescript_tree
from closeout.parsing.memo import Remembered
from closeout.parsing.typescript_source import (
    Call,
    Definition,
    Fallback,
    Import,
    SourceRange,
    TypeScriptSource,
    first_read,
    string_value,
)
from closeout.parsing.typescript_tree import (
    children,
    code_of,
    expression,
    find,
    first_error,
    parsed,
    refusal,
    text_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_STRINGS = frozenset({"string", "template_string"})
_DEFINITIONS = frozenset(
    {
        "class_declaration",
        "function_declaration",
        "method_definition",
        "public_field_definition",
        "variable_declarator",
    }
)
_LOCATED = ("binary_expression", "call_expression", "import_statement", *_STRINGS, *_DEFINITIONS)
_PROBE = b"x="
"""Put before a literal that is read again: alone at a line's start it would be a block."""

__all__ = [
    "Call",
    "Definition",
    "Fallback",
    "Import",
    "SourceRange",
    "TypeScriptSource",
    "arguments",
    "code_of",
    "expression",
    "find",
    "first_error",
    "identifiers",
    "literal_of",
    "members",
    "parsed",
    "place_of",
    "properties",
    "read",
    "refusal",
    "string_value",
    "syntax_error",
    "text_of",
]


def syntax_error(content: bytes) -> int | None:
    """Return the 1-based line where `content` stops being TypeScript, None where it parses."""
    return 1 if refusal(content) else first_error(parsed(content))


@Remembered
def read(content: bytes) -> TypeScriptSource:
    """Return everything this module can locate in `content`."""
    root = parsed(content)
    told = refusal(content)
    return TypeScriptSource(error_line=1, refusal=told) if told else _source(root)


def arguments(call: Node) -> list[Node]:
    """Return the arguments of the call `call`."""
    given = call.child_by_field_name("arguments")
    return [] if given is None else children(given)


def properties(place: SourceRange) -> dict[str, SourceRange]:
    """Return the values by key of the object literal that `place` holds.

    A spread, a shorthand and a method stand under their own text or name.
    """
    literal = _outermost(place)
    return (
        {} if literal is None else {key: _inside(place, value) for key, value in members(literal)}
    )


def members(holder: Node) -> list[tuple[str, Node]]:
    """Return the keys and values of the object literal `holder`, as `properties` does."""
    found = []
    for child in children(holder):
        key = child.child_by_field_name("key") or child.child_by_field_name("name") or child
        found.append((text_of(key).strip("'\""), child.child_by_field_name("value") or child))
    return found


def identifiers(node: Node) -> tuple[str, ...]:
    """Return the identifiers that an expression reads, property names left out."""
    found = find(node, "identifier", "shorthand_property_identifier")
    return tuple(sorted({text_of(item) for item in found}))


def _outermost(place: SourceRange) -> Node | None:
    root = typescript_tree.fragment(_PROBE + place.text.encode())
    return next(iter(find(root, "array", "object")), None)


def _inside(outer: SourceRange, node: Node) -> SourceRange:
    inner = place_of(node)
    moved = outer.start - len(_PROBE)
    return SourceRange(
        start=inner.start + moved,
        end=inner.end + moved,
        line=outer.line + inner.line - 1,
        text=inner.text,
        kind=inner.kind,
    )


def literal_of(node: Node) -> str | None:
    """Return the text of a plain string literal, None for anything else."""
    return string_value(place_of(node)) if node.type in _STRINGS else None


def place_of(node: Node) -> SourceRange:
    """Return where `node` stands, for the other anchors."""
    return SourceRange(
        start=node.start_byte,
        end=node.end_byte,
        line=node.start_point.row + 1,
        text=text_of(node),
        kind=intern(node.type),
    )


def _import(node: Node) -> Import:
    names: dict[str, str] = {}
    for child in find(
        node, "import_clause", "import_require_clause", "import_specifier", "namespace_import"
    ):
        first = child.named_children[0]
        if child.type == "import_specifier":
            exported = text_of(child.child_by_field_name("name"))
            names[text_of(child.child_by_field_name("alias")) or exported] = exported
        elif child.type != "import_clause":
            names[text_of(first)] = "*"
        elif first.type == "identifier":
            names[text_of(first)] = "default"
    source = node.child_by_field_name("source") or next(iter(find(node, "string")), None)
    return Import(source=text_of(source)[1:-1], names=names, place=place_of(node))


def _required(node: Node) -> Import | None:
    """Return `const x = require('y')` as an import."""
    call, target = node.child_by_field_name("value"), node.child_by_field_name("name")
    if call is None or target is None or text_of(call.child_by_field_name("function")) != "require":
        return None
    parts = find(target, "shorthand_property_identifier_pattern")
    names = {text_of(part): text_of(part) for part in parts}
    given = arguments(call)
    source = string_value(place_of(given[0])) if given else ""
    if target.type == "identifier":
        names = {text_of(target): "*"}
    return Import(source=source or "", names=names, place=place_of(node))


def _call(node: Node) -> Call | None:
    function = node.child_by_field_name("function")
    if function is None or node.child_by_field_name("arguments") is None:
        return None
    return Call(
        callee=text_of(function),
        receiver=text_of(function.child_by_field_name("object")),
        method=text_of(function.child_by_field_name("property")),
        arguments=tuple(map(place_of, arguments(node))),
        place=place_of(node),
    )


def _fallback(node: Node) -> Fallback | None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    operator = text_of(node.child_by_field_name("operator"))
    if left is None or right is None or operator not in {"||", "??"}:
        return None
    sides = (place_of(left), place_of(right))
    literal = next((side for side in reversed(sides) if string_value(side) is not None), None)
    other = sides[0] if literal is sides[1] else sides[1]
    variable = first_read(other.text) if literal is not None else None
    if literal is None or variable is None:
        return None
    return Fallback(
        variable=variable,
        literal=string_value(literal) or "",
        place=place_of(node),
        asked=other,
        written=literal,
    )


def _definition(node: Node) -> Definition | None:
    name = node.child_by_field_name("name")
    value = node.child_by_field_name("value") or node.child_by_field_name("body")
    if name is None or value is None or "pattern" in name.type:
        return None
    return Definition(name=text_of(name), value=place_of(value), place=place_of(node))


def _source(root: Node) -> TypeScriptSource:
    nodes = find(root, *_LOCATED)
    fallbacks = [_fallback(node) for node in nodes if node.type == "binary_expression"]
    required = [_required(node) for node in nodes if node.type == "variable_declarator"]
    calls = [_call(node) for node in nodes if node.type == "call_expression"]
    made = [_definition(node) for node in nodes if node.type in _DEFINITIONS]
    return TypeScriptSource(
        imports=(
            *(_import(node) for node in nodes if node.type == "import_statement"),
            *(item for item in required if item is not None),
        ),
        calls=tuple(item for item in calls if item is not None),
        fallbacks=tuple(item for item in fallbacks if item is not None),
        definitions=tuple(item for item in made if item is not None),
        strings=tuple(place_of(node) for node in nodes if node.type in _STRINGS),
        error_line=first_error(root),
    )
