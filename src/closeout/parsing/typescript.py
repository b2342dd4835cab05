"""Locate TypeScript by parsing it: imports, calls, definitions, literals, as byte spans.

The grammar is loaded on first use, so prefilter by bytes before asking. A file that does not
parse still gives what stands outside the broken part: ask `syntax_error` before an edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from closeout.parsing.typescript_source import (
    Call,
    Comparison,
    Definition,
    Fallback,
    Import,
    Place,
    Source,
    string_value,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_EQUALITY = frozenset({"===", "!==", "==", "!="})
_STRINGS = frozenset({"string", "template_string"})
_PROBE = b"x="
"""Put before a literal that is read again: alone at a line's start it would be a block."""

__all__ = [
    "Call",
    "Comparison",
    "Definition",
    "Fallback",
    "Import",
    "Place",
    "Source",
    "identifiers",
    "parsed",
    "parts",
    "place_of",
    "properties",
    "read",
    "string_value",
    "syntax_error",
    "walk",
]


def syntax_error(content: bytes) -> int | None:
    """Return the 1-based line where `content` stops being TypeScript, None where it parses."""
    return read(content).error_line


@lru_cache(maxsize=128)
def read(content: bytes) -> Source:
    """Return everything this module can locate in `content`."""
    return _source(parsed(content))


@lru_cache(maxsize=40)
def parsed(content: bytes) -> Node:
    """Return the syntax tree's root, for the other anchors."""
    return _parser().parse(content).root_node


def parts(place: Place) -> tuple[Place, ...]:
    """Return the elements of the array literal that `place` holds; a spread keeps its dots."""
    return tuple(_inside(place, child) for child in _literal(place))


def properties(place: Place) -> dict[str, Place]:
    """Return the values by key of the object literal that `place` holds.

    A spread, a shorthand and a method stand under their own text or name.
    """
    found: dict[str, Place] = {}
    for child in _literal(place):
        key = child.child_by_field_name("key") or child.child_by_field_name("name") or child
        value = child.child_by_field_name("value") or child
        found[_decoded(key).strip("'\"")] = _inside(place, value)
    return found


@lru_cache(maxsize=4096)
def identifiers(text: str) -> tuple[str, ...]:
    """Return the identifiers that the expression `text` reads, property names left out."""
    root = _parser().parse(f"({text})".encode()).root_node
    named = {node.text.decode() for node in walk(root) if node.type == "identifier" and node.text}
    return tuple(sorted(named))


@cache
def _parser() -> Parser:
    import tree_sitter  # noqa: PLC0415 - the grammar is native code; most trees never need it
    import tree_sitter_typescript  # noqa: PLC0415 - as above

    language = tree_sitter.Language(tree_sitter_typescript.language_typescript())
    return tree_sitter.Parser(language)


def _literal(place: Place) -> list[Node]:
    root = _parser().parse(_PROBE + place.text.encode()).root_node
    outer = next((node for node in walk(root) if node.type in {"array", "object"}), None)
    return [] if outer is None else [node for node in outer.named_children if _is_code(node)]


def _inside(outer: Place, node: Node) -> Place:
    inner = place_of(node)
    moved = outer.start - len(_PROBE)
    return Place(
        start=inner.start + moved,
        end=inner.end + moved,
        line=outer.line + inner.line - 1,
        text=inner.text,
        kind=inner.kind,
    )


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it in the text's sequence, for the other anchors."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(current.children))


def _is_code(node: Node) -> bool:
    return str(node.type) != "comment"


def _decoded(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


def place_of(node: Node) -> Place:
    """Return where `node` stands, for the other anchors."""
    return Place(
        start=node.start_byte,
        end=node.end_byte,
        line=node.start_point.row + 1,
        text=_decoded(node),
        kind=node.type,
    )


def _first_error(root: Node) -> int | None:
    if not root.has_error:
        return None
    broken = (node for node in walk(root) if node.is_error or node.is_missing)
    return min((node.start_point.row + 1 for node in broken), default=1)


def _import(node: Node) -> Import:
    names: dict[str, str] = {}
    for child in walk(node):
        if child.type == "import_specifier":
            exported = _decoded(child.child_by_field_name("name"))
            names[_decoded(child.child_by_field_name("alias")) or exported] = exported
        elif child.type == "namespace_import":
            names[_decoded(child.named_children[0])] = "*"
        elif child.type == "import_clause" and child.named_children[0].type == "identifier":
            names[_decoded(child.named_children[0])] = "default"
        elif child.type == "import_require_clause":
            names[_decoded(child.named_children[0])] = "*"
    source = node.child_by_field_name("source") or next(
        (child for child in walk(node) if child.type == "string"), None
    )
    return Import(source=_decoded(source)[1:-1], names=names, place=place_of(node))


def _required(node: Node) -> Import | None:
    """Return `const x = require('y')` as an import."""
    call = node.child_by_field_name("value")
    if call is None or _decoded(call.child_by_field_name("function")) != "require":
        return None
    arguments = call.child_by_field_name("arguments")
    given = arguments.named_children if arguments is not None else []
    source = string_value(place_of(given[0])) if given else None
    names: dict[str, str] = {}
    target = node.child_by_field_name("name")
    for child in walk(target) if target is not None else ():
        if child.type == "identifier" and child is target:
            names[_decoded(child)] = "*"
        elif child.type == "shorthand_property_identifier_pattern":
            names[_decoded(child)] = _decoded(child)
    return Import(source=source or "", names=names, place=place_of(node))


def _call(node: Node) -> Call | None:
    function = node.child_by_field_name("function")
    arguments = node.child_by_field_name("arguments")
    if function is None or arguments is None:
        return None
    return Call(
        callee=_decoded(function),
        receiver=_decoded(function.child_by_field_name("object")),
        method=_decoded(function.child_by_field_name("property")),
        arguments=tuple(place_of(child) for child in arguments.named_children if _is_code(child)),
        place=place_of(node),
    )


def _binary(node: Node) -> Comparison | Fallback | None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    operator = _decoded(node.child_by_field_name("operator"))
    if left is None or right is None:
        return None
    sides = (place_of(left), place_of(right))
    literal = next((side for side in reversed(sides) if string_value(side) is not None), None)
    if literal is None:
        return None
    other = sides[0] if literal is sides[1] else sides[1]
    if operator in _EQUALITY:
        statement = _statement_of(node)
        consequence = statement.child_by_field_name("consequence") if statement else None
        return Comparison(
            operator=operator,
            literal=literal,
            other=other,
            place=place_of(node),
            statement=place_of(statement) if statement else None,
            consequence=place_of(consequence) if consequence else None,
        )
    if operator in {"||", "??"} and other.text.startswith("process.env"):
        variable = other.text.removeprefix("process.env").strip(".[]'\"")
        return Fallback(
            variable=variable, literal=string_value(literal) or "", place=place_of(node)
        )
    return None


def _statement_of(condition: Node) -> Node | None:
    """Return the `if` whose whole condition this is."""
    around = condition.parent.parent if condition.parent is not None else None
    return around if around is not None and around.type == "if_statement" else None


def _definition(node: Node) -> Definition | None:
    name = node.child_by_field_name("name")
    value = node.child_by_field_name("value") or node.child_by_field_name("body")
    if name is None or value is None or "pattern" in name.type:
        return None
    return Definition(
        name=_decoded(name), kind=node.type, value=place_of(value), place=place_of(node)
    )


_DEFINITIONS = frozenset(
    {
        "class_declaration",
        "function_declaration",
        "method_definition",
        "public_field_definition",
        "variable_declarator",
    }
)


def _source(root: Node) -> Source:
    nodes = tuple(walk(root))
    binaries = [_binary(node) for node in nodes if node.type == "binary_expression"]
    required = [_required(node) for node in nodes if node.type == "variable_declarator"]
    calls = [_call(node) for node in nodes if node.type == "call_expression"]
    made = [_definition(node) for node in nodes if node.type in _DEFINITIONS]
    return Source(
        imports=(
            *(_import(node) for node in nodes if node.type == "import_statement"),
            *(item for item in required if item is not None),
        ),
        calls=tuple(item for item in calls if item is not None),
        comparisons=tuple(item for item in binaries if isinstance(item, Comparison)),
        fallbacks=tuple(item for item in binaries if isinstance(item, Fallback)),
        definitions=tuple(item for item in made if item is not None),
        strings=tuple(place_of(node) for node in nodes if node.type in _STRINGS),
        error_line=_first_error(root),
    )
