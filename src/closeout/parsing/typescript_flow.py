"""See how a TypeScript function answers through its callback, and whether it can refuse."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from closeout.parsing.typescript import find, text_of
from closeout.parsing.typescript_tree import above, parameters

if TYPE_CHECKING:
    from tree_sitter import Node

_CONDITIONAL = frozenset(
    {
        *("binary_expression", "catch_clause", "for_in_statement", "for_statement"),
        *("if_statement", "switch_case", "switch_default", "ternary_expression"),
        "while_statement",
    }
)
_ENDS = ("return_statement", "throw_statement")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCall:
    """One call of the callback: its arguments, and whether a condition decides about it."""

    arguments: tuple[Node, ...]
    is_conditional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A function's parameters, its calls of the last one, and whether it throws or just ends."""

    parameters: tuple[str, ...]
    answers: tuple[CallbackCall, ...]
    can_stop: bool


def flow(function: Node) -> Flow:
    """Return how `function` answers through its second parameter, Node's callback style."""
    names = parameters(function)
    callback = names[1] if len(names) > 1 else ""
    body = function.child_by_field_name("body")
    calls = [] if body is None else find(body, "call_expression")
    own = [call for call in calls if text_of(call.child_by_field_name("function")) == callback]
    return Flow(
        parameters=tuple(names),
        answers=tuple(_answer(call, function) for call in own if callback),
        can_stop=body is not None and any(_is_stop(node, callback) for node in find(body, *_ENDS)),
    )


def is_conditional(node: Node, within: Node | None = None) -> bool:
    """Return whether a condition inside `within`, else inside the file, decides about `node`."""
    below = node
    for around in takewhile(lambda each: each != within, above(node)):
        if around.type in _CONDITIONAL and around.child_by_field_name("condition") != below:
            return True
        below = around
    return False


def is_guarded(node: Node) -> bool:
    """Return whether the function around `node` decides, before or there, about reaching it."""
    function = next((each for each in above(node) if "function" in each.type), None)
    earlier = [] if function is None else find(function, *_ENDS)
    stops = (item for item in earlier if item.end_byte <= node.start_byte)
    return is_conditional(node, function) or any(is_conditional(item, function) for item in stops)


def _answer(call: Node, function: Node) -> CallbackCall:
    given = call.child_by_field_name("arguments")
    return CallbackCall(
        arguments=() if given is None else tuple(given.named_children),
        is_conditional=is_conditional(call, function),
    )


def _is_stop(node: Node, callback: str) -> bool:
    """Return whether a statement ends the function without an answer."""
    return node.type == "throw_statement" or callback not in text_of(node)
