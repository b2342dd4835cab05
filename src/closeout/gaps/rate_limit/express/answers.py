"""Find gateways that answer a limited sign-in as a failure of their own, and tell them.

Only what is certain is told: an answer that is given where the other service refused, in a function
that asks for no status, with a server error's number or code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.gaps.rate_limit.express.callers import Caller, function_node, handling
from closeout.gaps.rate_limit.express.handlers import spelled_out
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.typescript import arguments, find, members, text_of
from closeout.parsing.typescript_names import Names
from closeout.parsing.typescript_tree import above
from closeout.parsing.typescript_values import FUNCTIONS

if TYPE_CHECKING:
    from tree_sitter import Node

_DEPTH = 5
_KNOWS = re.compile(r"\b429\b|too_?many|rate_?limit|retry-after", re.IGNORECASE)
_FAILED = re.compile(r"5\d\d")
_INTERNAL = re.compile(r"INTERNAL|SERVER_ERROR")
_ASKING = ("if_statement", "switch_statement")
_DECIDING = frozenset(
    {"if_statement", "catch_clause", "ternary_expression", "switch_case"}
) | frozenset(FUNCTIONS)
_ANY_NOT_OK = re.compile(r"!\s*[\w.]+\.ok\b")
_NOT_OK = re.compile(r"\(\s*!\s*[\w.]+\.ok\s*\)")
_OK = re.compile(r"(?<![!\w.])[A-Za-z_$][\w.]*\.ok\b(?!\s*=)")


def mistaken(tree: Tree, callers: Sequence[Caller]) -> Iterator[Unresolved]:
    """Yield where a gateway answers what the called service limits with an error of its own."""
    names = Names(tree)
    for item in callers:
        route = item.route
        if route is None or any(map(_KNOWS.search, spelled_out(tree, route, _DEPTH))):
            continue
        for path, node in handling(names, route):
            for there, answer, said in _failures(names, path, node):
                target = item.target.name
                yield Unresolved(
                    path=there,
                    reason=Reason.AMBIGUOUS,
                    line=answer.start_point.row + 1,
                    detail=f"answers {said} to a sign-in that {target} limits",
                    hint=f"send there what {target} does: 429, its code and its Retry-After, which "
                    "the call has to hand on.",
                )


def _failures(
    names: Names, path: PurePosixPath, handler: Node
) -> Iterator[tuple[PurePosixPath, Node, str]]:
    """Yield the wrong answers of a handler, and of the functions that it calls to answer."""
    yield from ((path, *found) for found in _wrong(handler, {}))
    for call in find(handler, "call_expression"):
        there = function_node(names, path, text_of(call.child_by_field_name("function")))
        if there is not None:
            defaults = _defaults(there[1], len(arguments(call)))
            yield from ((there[0], *found) for found in _wrong(there[1], defaults))


def _defaults(function: Node, given: int) -> dict[str, Node]:
    """Return what a function takes for the parameters that a call does not give."""
    listed = function.child_by_field_name("parameters")
    rest = listed.named_children[given:] if listed is not None else []
    return {
        text_of(item.child_by_field_name("pattern") or item.child_by_field_name("left")): value
        for item in rest
        if (value := item.child_by_field_name("value") or item.child_by_field_name("right"))
    }


def _wrong(function: Node, defaults: dict[str, Node]) -> Iterator[tuple[Node, str]]:
    """Yield each answer that a 429 gets for certain and that is none to it, with what it says."""
    for item in find(function, *_ASKING):
        asked = text_of(item.child_by_field_name("condition") or item.child_by_field_name("value"))
        if "status" in asked or (_ANY_NOT_OK.search(asked) and not _NOT_OK.fullmatch(asked)):
            return
    for answer, status, body in _answers(function):
        if not _is_refused(function, answer):
            continue
        code = _code(body, defaults)
        if status.type == "number":
            said = text_of(status) if _FAILED.fullmatch(text_of(status)) else ""
        else:
            is_its = ".status" in text_of(function) and _INTERNAL.search(code)
            said = f"the code {code}" if is_its else ""
        if said:
            yield answer, said


def _answers(function: Node) -> Iterator[tuple[Node, Node, Node]]:
    """Yield each `res.status(number).json(body)` of a function, not of one inside it."""
    for call in find(function, "call_expression"):
        member = call.child_by_field_name("function")
        first = member.child_by_field_name("object") if member is not None else None
        if first is None or text_of(member).rpartition(".")[2] not in {"json", "send"}:
            continue
        set_by = text_of(first.child_by_field_name("function"))
        given, body = arguments(first) if first.type == "call_expression" else [], arguments(call)
        if set_by.endswith(".status") and len(given) == 1 and len(body) == 1:
            yield call, given[0], body[0]


def _is_refused(function: Node, answer: Node) -> bool:
    """Return whether an answer is given where the called service refused, whatever it answered."""
    reached: list[bool] = []
    below = answer
    for node in above(answer):
        if node == function:
            return bool(reached) and all(reached)
        if node.type in _DECIDING:
            reached.append(_is_taken(node, below))
        below = node
    return False


def _is_taken(node: Node, branch: Node) -> bool:
    """Return whether every refusal leads into the branch, and nothing there decides further."""
    if find(branch, *_ASKING):
        return False
    if node.type == "if_statement":
        condition = text_of(node.child_by_field_name("condition"))
        is_then = node.child_by_field_name("consequence") == branch
        return bool(_NOT_OK.fullmatch(condition) if is_then else _OK.search(condition))
    if node.type == "catch_clause":
        tried = text_of(node.parent.child_by_field_name("body")) if node.parent else ""
        is_thrown = "axios" in tried and "validateStatus" not in tried
        return is_thrown and "response" not in text_of(node) and "?" not in text_of(node)
    return False


def _code(body: Node, defaults: dict[str, Node]) -> str:
    """Return the code that an error's body has for a 429, empty where that is not certain."""
    held = dict(members(body)) if body.type == "object" else {}
    inner = held.get("error")
    if inner is not None and inner.type == "object":
        held = dict(members(inner))
    return _chosen(held["code"], defaults) if "code" in held else ""


def _chosen(value: Node, defaults: dict[str, Node]) -> str:
    if value.type == "string":
        return text_of(value)[1:-1]
    if value.type == "identifier" and text_of(value) in defaults:
        return _chosen(defaults[text_of(value)], {})
    other = value.child_by_field_name("alternative")
    condition = text_of(value.child_by_field_name("condition"))
    if other is not None and re.fullmatch(r"[\w.]+\s*===?\s*\d+", condition):
        return _chosen(other, defaults)
    return ""
