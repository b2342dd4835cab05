"""Read expressions: what a value is called, where it comes from, what it falls back to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from closeout.parsing.typescript import arguments, find, literal_of, place_of, text_of
from closeout.parsing.typescript_source import SourceRange
from closeout.parsing.typescript_tree import above, children

if TYPE_CHECKING:
    from tree_sitter import Node

WRAPPERS = frozenset(
    {
        "as_expression",
        "await_expression",
        "non_null_expression",
        "parenthesized_expression",
        "satisfies_expression",
        "spread_element",
        "type_assertion",
    }
)
_SAME = frozenset(
    {"normalize", "toLowerCase", "toString", "toUpperCase", "trim", "trimEnd", "trimStart"}
)
_READ = frozenset({"get", "header", "param"})
_MADE = frozenset({"String", "Buffer.from"})
_DEFAULTING = (
    "assignment_expression",
    "augmented_assignment_expression",
    "object_assignment_pattern",
    "ternary_expression",
)
_ENVIRONMENT = re.compile(r"process\.env(?:\.|\[['\"])(\w+)(?:['\"]\])?")


def environment_defaults(root: Node) -> Iterator[tuple[str, str, SourceRange]]:
    """Yield the literals that variables are given when the environment lacks them.

    `process.env.X || 'text'` is left out: the anchor finds it as a fallback.
    """
    for node in find(root, *_DEFAULTING):
        left = node.child_by_field_name("left")
        right = node.child_by_field_name("right") or node.child_by_field_name("alternative")
        literal = None if right is None else literal_of(peeled(right))
        if literal is None:
            continue
        name = _variable(node, left)
        if name:
            yield name, literal, place_of(node)


def _variable(node: Node, left: Node | None) -> str:
    if node.type == "object_assignment_pattern" and node.parent is not None:
        declarator = node.parent.parent
        value = None if declarator is None else declarator.child_by_field_name("value")
        return text_of(left) if text_of(value) == "process.env" else ""
    if node.type in {"assignment_expression", "augmented_assignment_expression"}:
        found = _ENVIRONMENT.fullmatch(text_of(left))
        return found[1] if found else ""
    if node.type == "ternary_expression":
        found = _ENVIRONMENT.search(text_of(node.child_by_field_name("consequence")))
        return found[1] if found else ""
    return ""


def wrapped(node: Node) -> Node | None:
    """Return the expression whose value a cast, a spread or parentheses leave as it is."""
    if node.type not in WRAPPERS or not node.named_children:
        return None
    return node.named_children[-1 if node.type == "type_assertion" else 0]


def parts(node: Node) -> list[Node]:
    """Return the expressions whose values are this one's."""
    if node.type in WRAPPERS:
        return [] if (inner := wrapped(node)) is None else [inner]
    if node.type == "array":
        return children(node)
    if node.type == "new_expression":
        given = node.child_by_field_name("arguments")
        return [] if given is None else list(given.named_children)
    fields = {
        "assignment_expression": ("right",),
        "ternary_expression": ("consequence", "alternative"),
        "binary_expression": _sides(node),
    }.get(node.type, ())
    found = (node.child_by_field_name(name) for name in fields)
    return [child for child in found if child is not None]


def _sides(node: Node) -> tuple[str, ...]:
    operator = text_of(node.child_by_field_name("operator"))
    return {"||": ("left", "right"), "??": ("left", "right"), "&&": ("right",)}.get(operator, ())


def is_compound(node: Node) -> bool:
    """Return whether an expression is nothing but its parts."""
    return node.type in WRAPPERS or node.type in {
        "array",
        "assignment_expression",
        "ternary_expression",
    }


def bare(node: Node) -> Node:
    """Return the expression without what leaves its value as it is."""
    current = node
    while (inner := wrapped(current)) is not None:
        current = inner
    return current


def peeled(node: Node) -> Node:
    """Return the value without casts, trims and the like around it."""
    current = node
    while True:
        inner = _inside(current)
        if inner is None:
            return current
        current = inner


def name_of(node: Node) -> str:
    """Return the name that says what a value is, such as the property it is read from."""
    value = peeled(node)
    if value.type == "member_expression":
        return text_of(value.child_by_field_name("property"))
    if value.type == "subscript_expression":
        return text_of(value.child_by_field_name("index")).strip("'\"`").replace("-", "_")
    if value.type == "call_expression":
        function, given = value.child_by_field_name("function"), arguments(value)
        if function is not None and text_of(function.child_by_field_name("property")) in _READ:
            return text_of(given[0] if given else None).strip("'\"`").replace("-", "_")
        return ""
    if value.type != "identifier":
        return ""
    return text_of(value)


def source_of(node: Node) -> Node | None:
    """Return the expression that the name at `node` is declared as in its function, or None.

    For a name taken out of an object it is the pattern, whose text names the property.
    """
    outer = list(above(node))
    before = [
        (item, found)
        for item, found in _declared(outer[-1] if outer else node).get(text_of(node), ())
        if item.start_byte < node.start_byte
    ]
    for around in outer if before else ():
        for item, found in before:
            if around.start_byte <= item.start_byte and item.end_byte <= around.end_byte:
                return found
    return None


@lru_cache(maxsize=16)
def _declared(root: Node) -> dict[str, list[tuple[Node, Node]]]:
    """Return by name where the file declares it, and as what, in the text's sequence."""
    found: dict[str, list[tuple[Node, Node]]] = {}
    for item in find(root, "pair_pattern", "variable_declarator"):
        is_pattern = item.type == "pair_pattern"
        name = item.child_by_field_name("value" if is_pattern else "name")
        value = item if is_pattern else item.child_by_field_name("value")
        if name is not None and value is not None:
            found.setdefault(text_of(name), []).append((item, value))
    return found


def _inside(node: Node) -> Node | None:
    if node.type in WRAPPERS and node.type != "spread_element":
        return wrapped(node)
    if node.type == "call_expression":
        function, given = node.child_by_field_name("function"), arguments(node)
        if function is None:
            return None
        if text_of(function) in _MADE and given:
            return given[0]
        if text_of(function.child_by_field_name("property")) in _SAME:
            return function.child_by_field_name("object")
    if node.type == "binary_expression":
        right = node.child_by_field_name("right")
        is_default = text_of(node.child_by_field_name("operator")) in {"??", "||"}
        if is_default and text_of(right) in {"''", '""', "``"}:
            return node.child_by_field_name("left")
    return None


def default_of(node: Node) -> Node | None:
    """Return the default of the parameter that the name at `node` is, or None."""
    for around in above(node):
        listed = around.child_by_field_name("parameters")
        for item in listed.named_children if listed is not None else ():
            left = item.child_by_field_name("pattern") or item.child_by_field_name("left")
            if left is not None and text_of(left) == text_of(node):
                return item.child_by_field_name("value") or item.child_by_field_name("right")
    return None
