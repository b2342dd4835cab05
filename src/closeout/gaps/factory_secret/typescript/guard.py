"""Mend a comparison that is not the plain refusal of a claim: the route refuses it instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice
from closeout.fs.tree import below
from closeout.gaps.factory_secret.typescript.comparison import Compared, ComparisonForm
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing.node_sources import is_source
from closeout.parsing.typescript import arguments, code_of, text_of
from closeout.parsing.typescript_expressions import name_of, peeled, source_of
from closeout.parsing.typescript_tree import above, parameters
from closeout.parsing.typescript_values import FUNCTIONS

if TYPE_CHECKING:
    from tree_sitter import Node

ACCEPTS = "acceptsClaim"
_STOPS = re.compile(r"\b(?:status|sendStatus|writeHead)\(\s*4\d\d|\bthrow\b|\bnext\(\s*\w")
_BODY = re.compile(r"\bbody\b")
_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """The claim's field in the body, and the routes whose handler looks at it."""

    field: str
    routes: tuple[tuple[PurePosixPath, typescript.Call], ...]


def replaced(compared: Compared) -> tuple[Splice, ...] | str:
    """Return the splices that ask whether the claim is accepted, or why that would be a guess."""
    node = compared.node
    text = f"{ACCEPTS}({typescript.place_of(peeled(compared.value)).text})"
    if compared.form is ComparisonForm.CASE:
        return _replaced_case(compared, text)
    if compared.form is ComparisonForm.ASKED:
        return "the comparison is made by a call: what else it accepts is not known"
    trouble = _doubt(compared)
    denied = "!" if compared.form is ComparisonForm.UNEQUAL else ""
    whole = Splice(start=node.start_byte, end=node.end_byte, text=f"{denied}{text}")
    return trouble or (whole,)


def _replaced_case(compared: Compared, text: str) -> tuple[Splice, ...] | str:
    node, case = compared.node, compared.literal_node
    body = node.child_by_field_name("body")
    inside = [] if body is None else body.named_children
    if len([item for item in inside if item.type == "switch_case"]) != 1:
        return "the switch knows other codes too"
    written = "" if body is None else code_of(body)
    if not _STOPS.search(written) and not _STOPS.search(_rest(node)):
        return "what happens to a wrong claim is not written beside the comparison"
    value = peeled(compared.value)
    return (
        Splice(start=value.start_byte, end=value.end_byte, text=text),
        Splice(start=case.start_byte, end=case.end_byte, text="true"),
    )


def _doubt(compared: Compared) -> str:
    """Return why a wrong claim may have been more than refused, empty where it was not."""
    node = compared.node
    around = node.parent
    while around is not None and around.type in {"parenthesized_expression", "unary_expression"}:
        node, around = around, around.parent
    if around is None:
        return "it stands outside any function"
    if around.type == "binary_expression":
        return "the comparison is not the whole condition of an `if`"
    if around.type == "if_statement":
        consequence = around.child_by_field_name("consequence")
        alternative = around.child_by_field_name("alternative")
        is_denied = (compared.form is ComparisonForm.UNEQUAL) != (node.type == "unary_expression")
        branch = consequence if is_denied else alternative
        refusing = _rest(around) if branch is None else code_of(branch)
        if not _STOPS.search(refusing):
            return "what happens to a wrong claim is not written beside the comparison"
        return ""
    is_whole = around.type in {"return_statement", "arrow_function", "ternary_expression"}
    if is_whole or (around.type == "variable_declarator" and _STOPS.search(_rest(around))):
        return ""
    return "the comparison is not the whole condition of an `if`"


def handled(tree: Tree, service: PurePosixPath, path: PurePosixPath, node: Node) -> Handled | str:
    """Return how the value at `node` gets into the file from a route, or why that is not known."""
    found = _traced(tree, service, path, peeled(node), _DEPTH)
    if isinstance(found, str):
        return found
    if not found.routes:
        return "the route that calls this handler was not found"
    return found


def _traced(
    tree: Tree, service: PurePosixPath, path: PurePosixPath, node: Node, depth: int
) -> Handled | str:
    field = _field(node)
    function = _function(node)
    if function is None or not depth:
        return "the route that calls this handler was not found"
    if field:
        return Handled(field=field, routes=tuple(_routes(tree, service, path, function)))
    position = _position(function, text_of(node))
    name = _name(function)
    if position is None or not name:
        return "where the claim comes from is not written here"
    for there, given in _calls(tree, service, name, position):
        outcome = _traced(tree, service, there, peeled(given), depth - 1)
        if not isinstance(outcome, str) and outcome.routes:
            outer = _function(given)
            if outer is None or not _STOPS.search(code_of(outer)):
                return "what happens to a wrong claim is not written where it is asked"
            return outcome
    return "the route that calls this handler was not found"


def _field(node: Node) -> str:
    """Return the property of a request's body that `node` is, empty where it is none."""
    if node.type == "identifier":
        source = source_of(node)
        if source is None:
            return text_of(node) if _is_taken_apart(node) else ""
        if source.type == "pair_pattern":
            return text_of(source.child_by_field_name("key"))
        return _field(peeled(source))
    holder = node.child_by_field_name("object")
    return name_of(node) if holder is not None and _BODY.search(text_of(holder)) else ""


def _is_taken_apart(node: Node) -> bool:
    """Return whether the name is taken out of a body by `{ name } = req.body`."""
    function = _function(node)
    taken = "shorthand_property_identifier_pattern"
    for item in typescript.find(function, taken) if function is not None else ():
        if text_of(item) == text_of(node):
            declarator = item.parent.parent if item.parent is not None else None
            value = None if declarator is None else declarator.child_by_field_name("value")
            if value is not None and _BODY.search(text_of(value)):
                return True
    return False


def _routes(
    tree: Tree, service: PurePosixPath, path: PurePosixPath, function: Node
) -> Iterator[tuple[PurePosixPath, typescript.Call]]:
    """Yield the routes that end in `function`, by its name or as it stands."""
    for call in _registered(tree.read(path) or b""):
        last = call.arguments[-1]
        if last.start <= function.start_byte and function.end_byte <= last.end:
            yield path, call
            return
    name = _name(function)
    for there in filter(is_source, below(tree, service) if name else ()):
        content = tree.read(there) or b""
        if name.encode() not in content or (there != path and path.stem.encode() not in content):
            continue
        for call in _registered(content):
            if re.search(rf"\b{re.escape(name)}\b", call.arguments[-1].text):
                yield there, call


@lru_cache(maxsize=16)
def _registered(content: bytes) -> tuple[typescript.Call, ...]:
    return tuple(registrations(typescript.read(content)))


def registrations(source: typescript.TypeScriptSource) -> Iterator[typescript.Call]:
    """Yield the calls that register handlers, those after `.route('/path')` included."""
    yield from source.routes()
    routed = [call for call in source.calls if call.method == "route"]
    for call in source.calls:
        if (
            call.method in {"all", "post", "put"}
            and call.arguments
            and any(
                item.place.start == call.place.start and item.place.end < call.place.end
                for item in routed
            )
        ):
            yield call


def _calls(
    tree: Tree, service: PurePosixPath, name: str, position: int
) -> Iterator[tuple[PurePosixPath, Node]]:
    for path in filter(is_source, below(tree, service)):
        content = tree.read(path) or b""
        if name.encode() not in content:
            continue
        for node in typescript.find(typescript.parsed(content), "call_expression"):
            called, given = text_of(node.child_by_field_name("function")), arguments(node)
            if (called == name or called.endswith(f".{name}")) and len(given) > position:
                yield path, given[position]


def _function(node: Node) -> Node | None:
    return next((each for each in above(node) if each.type in FUNCTIONS), None)


def _name(function: Node) -> str:
    named = function.child_by_field_name("name")
    if named is None and function.parent is not None:
        named = function.parent.child_by_field_name("name")
        wrapper = function.parent.parent
        if named is None and wrapper is not None and wrapper.type == "call_expression":
            named = wrapper.parent.child_by_field_name("name") if wrapper.parent else None
    return text_of(named)


def _position(function: Node, name: str) -> int | None:
    names = parameters(function)
    return names.index(name) if name in names else None


def _rest(node: Node) -> str:
    """Return the code that stands after the statement of `node` in its function."""
    around = node
    while around.parent is not None and around.parent.type != "statement_block":
        around = around.parent
    text = ""
    current = around.next_sibling
    while current is not None:
        text += code_of(current)
        current = current.next_sibling
    return text
