"""Tell a comparison that opens nothing unless a page was built with its mock mode switched on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from closeout.gaps.factory_secret.typescript.comparison import EQUAL, UNEQUAL
from closeout.parsing.typescript import find, text_of
from closeout.parsing.typescript_expressions import bare, source_of
from closeout.parsing.typescript_tree import above

if TYPE_CHECKING:
    from tree_sitter import Node

_SWITCH = re.compile(
    r"(?:import\.meta|process)\.env\.(?:VITE|REACT_APP|NEXT_PUBLIC|NUXT_PUBLIC)_"
    r"\w*(?:MOCK|DEMO|FAKE|STUB)\w*"
)
_ON = re.compile(r"true|1|on|yes")
_JOINING = frozenset({"&&", "||", "??"})
_SCOPES = frozenset({"statement_block", "program"})


def is_mock(node: Node) -> bool:
    """Return whether every condition that the comparison `node` decides is false without a switch.

    A switch is a variable of the build whose name says that it stands in for something. What the
    comparison is kept in counts, where each use of that name is such a condition.
    """
    top = _condition(node)
    if top.parent is None:
        return False
    if top.parent.type == "variable_declarator":
        return _is_kept_for_mock(top.parent)
    return _is_switched(top)


def _is_kept_for_mock(declarator: Node) -> bool:
    name = text_of(declarator.child_by_field_name("name"))
    scope = next((each for each in above(declarator) if each.type in _SCOPES), None)
    if scope is None or scope.type == "program":
        return False
    uses = [
        item
        for item in find(scope, "identifier", "shorthand_property_identifier")
        if text_of(item) == name and item.start_byte > declarator.end_byte
    ]
    return bool(uses) and all(_is_switched(_condition(use)) for use in uses)


def _condition(node: Node) -> Node:
    """Return the whole condition that an expression is part of."""
    current = node
    for around in above(node):
        operator = text_of(around.child_by_field_name("operator"))
        joins = around.type == "binary_expression" and operator in _JOINING
        negates = around.type == "unary_expression" and operator == "!"
        if not (joins or negates or around.type == "parenthesized_expression"):
            break
        if around.parent is not None and around.parent.type == "if_statement":
            return around
        current = around
    return current


def _is_switched(condition: Node) -> bool:
    """Return whether a statement is not reached, or its condition false, without a switch."""
    current = condition
    for around in above(condition):
        if around.type in {"if_statement", "ternary_expression"}:
            asked = around.child_by_field_name("condition")
            alternative = around.child_by_field_name("alternative")
            if asked is not None and current != alternative and _without_switch(asked) is False:
                return True
        current = around
    return False


def _without_switch(node: Node) -> bool | None:
    """Return what an expression gives where no switch is on; None where other things decide."""
    inner = bare(node)
    if inner.type == "identifier":
        source = source_of(inner)
        return None if source is None or source.type == "pair_pattern" else _without_switch(source)
    if inner.type == "unary_expression" and text_of(inner).startswith("!"):
        held = inner.child_by_field_name("argument")
        value = None if held is None else _without_switch(held)
        return None if value is None else not value
    if inner.type == "binary_expression":
        return _of_two(inner)
    return False if _SWITCH.fullmatch(text_of(inner)) else None


def _of_two(node: Node) -> bool | None:
    operator = text_of(node.child_by_field_name("operator"))
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None:
        return None
    if operator in EQUAL | UNEQUAL:
        texts = {text_of(bare(left)), text_of(bare(right)).strip("'\"`")}
        is_switch = any(_SWITCH.fullmatch(text) for text in texts)
        is_on = any(_ON.fullmatch(text) for text in texts)
        return operator in UNEQUAL if is_switch and is_on else None
    values = (_without_switch(left), _without_switch(right))
    decisive = {"&&": False, "||": True}.get(operator)
    if decisive is None or decisive in values:
        return decisive
    return None if None in values else not decisive
