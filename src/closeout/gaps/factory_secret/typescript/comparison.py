"""Find the code that compares a claim or another secret with a literal, however it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.parsing import typescript
from closeout.parsing.typescript import arguments, literal_of, text_of
from closeout.parsing.typescript_expressions import (
    default_of,
    name_of,
    peeled,
    source_of,
)
from closeout.parsing.typescript_source import SourceRange
from closeout.parsing.typescript_values import TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

_COMPARING = ("binary_expression", "call_expression", "subscript_expression", "switch_statement")
EQUAL = frozenset({"===", "=="})
UNEQUAL = frozenset({"!==", "!="})
_EQUALITY = EQUAL | UNEQUAL
_LISTED = frozenset({"has", "includes", "indexOf", "test"})
_ASKING = re.compile(r"equal|compare|match|same", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"process\.env(?:\.\w+|\[['\"]\w+['\"]\])\s*(?:\|\||\?\?)")
_PLAIN = re.compile(r"[\w-]+")


class ComparisonForm(Enum):
    """How a literal is held against a value."""

    EQUAL = "equal"
    UNEQUAL = "unequal"
    CASE = "case"
    ASKED = "asked"
    """By a call: of an array, a pattern or a function that compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A value held against a literal. `node` is the comparison, or the whole switch."""

    form: ComparisonForm
    name: str
    literal: str
    literal_node: Node = field(repr=False)
    """Where the literal is named: the text itself, or the constant that holds it."""
    value: Node = field(repr=False)
    node: Node = field(repr=False)

    @property
    def place(self) -> SourceRange:
        """Return where it stands."""
        return typescript.place_of(self.node)

    @property
    def statement(self) -> Node | None:
        """Return the `if` whose whole condition it is; None for another one, and no equality."""
        is_equality = self.form in {ComparisonForm.EQUAL, ComparisonForm.UNEQUAL}
        around = self.node.parent.parent if is_equality and self.node.parent is not None else None
        return around if around is not None and around.type == "if_statement" else None

    @property
    def consequence(self) -> SourceRange | None:
        """Return what that `if` then does."""
        statement = self.statement
        then = None if statement is None else statement.child_by_field_name("consequence")
        return None if then is None else typescript.place_of(then)


def comparisons(
    values: TypeScriptValues, path: PurePosixPath, root: Node, is_meant: Callable[[str], bool]
) -> Iterator[Compared]:
    """Yield every value of a name that is held against a text known from the code.

    What is held against what is followed where one of the names `is_meant`; others may be left out.
    """
    for node in typescript.find(root, *_COMPARING):
        if node.type == "binary_expression":
            yield from _equality(values, path, node, is_meant)
        elif node.type == "switch_statement":
            yield from _cases(values, path, node)
        elif node.type == "call_expression":
            yield from _asked(node)
        else:
            yield from _looked_up(node)


def _equality(
    values: TypeScriptValues, path: PurePosixPath, node: Node, is_meant: Callable[[str], bool]
) -> Iterator[Compared]:
    operator = text_of(node.child_by_field_name("operator"))
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if operator not in _EQUALITY or left is None or right is None:
        return
    if not (is_meant(_named(left)) or is_meant(_named(right))):
        return
    for value, other in ((left, right), (right, left)):
        literal = _literal(values, path, other)
        if literal is not None and name_of(value) and value.type != "unary_expression":
            yield Compared(
                form=ComparisonForm.EQUAL if operator in EQUAL else ComparisonForm.UNEQUAL,
                name=_named(value),
                literal=literal,
                literal_node=peeled(other),
                value=value,
                node=node,
            )
            return


def _cases(values: TypeScriptValues, path: PurePosixPath, node: Node) -> Iterator[Compared]:
    value, body = node.child_by_field_name("value"), node.child_by_field_name("body")
    if value is None or body is None or not name_of(value):
        return
    for case in body.named_children:
        other = case.child_by_field_name("value")
        literal = None if other is None else _literal(values, path, other)
        if other is not None and literal is not None:
            yield Compared(
                form=ComparisonForm.CASE,
                name=_named(value),
                literal=literal,
                literal_node=peeled(other),
                value=value,
                node=node,
            )


def _asked(node: Node) -> Iterator[Compared]:
    """Yield what a call of a comparing function or of a list of literals holds together."""
    function, given = node.child_by_field_name("function"), arguments(node)
    if function is None:
        return
    method = text_of(function.child_by_field_name("property"))
    holder = function.child_by_field_name("object")
    if holder is not None and method in _LISTED:
        literals = list(_texts(holder))
        named = [part for part in given if name_of(part)]
    elif _ASKING.search(method or text_of(function)):
        parts = [*([holder] if holder is not None else []), *given]
        literals = [item for part in parts for item in _texts(part)]
        named = [part for part in parts if name_of(part)]
    else:
        return
    for literal in literals:
        for value in named[:1]:
            yield Compared(
                form=ComparisonForm.ASKED,
                name=_named(value),
                literal=literal.text,
                literal_node=literal.node,
                value=value,
                node=node,
            )


def _looked_up(node: Node) -> Iterator[Compared]:
    """Yield the keys of an object literal that a value is looked up in."""
    holder, index = node.child_by_field_name("object"), node.child_by_field_name("index")
    if holder is None or index is None or not name_of(index):
        return
    inner = peeled(holder)
    for pair in inner.named_children if inner.type == "object" else ():
        key = pair.child_by_field_name("key")
        if key is not None and key.type == "string":
            yield Compared(
                form=ComparisonForm.ASKED,
                name=_named(index),
                literal=text_of(key)[1:-1],
                literal_node=key,
                value=index,
                node=node,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    text: str
    node: Node


def _texts(node: Node) -> Iterator[_Text]:
    value = peeled(node)
    if value.type == "regex":
        text = text_of(value).removesuffix("/i").strip("/^$")
        if _PLAIN.fullmatch(text):
            yield _Text(text=text, node=value)
    elif value.type in {"array", "new_expression", "arguments"}:
        for child in typescript.find(value, "string", "template_string"):
            literal = literal_of(child)
            if literal is not None:
                yield _Text(text=literal, node=child)
    else:
        literal = literal_of(value)
        if literal is not None:
            yield _Text(text=literal, node=value)


def _literal(values: TypeScriptValues, path: PurePosixPath, node: Node) -> str | None:
    value = peeled(node)
    literal = literal_of(value)
    if value.type == "binary_expression" and _ENVIRONMENT.match(text_of(value)):
        right = value.child_by_field_name("right")
        return None if right is None else literal_of(right)
    if literal is not None or value.type not in {"identifier", "member_expression"}:
        return literal
    default = default_of(value)
    if default is not None:
        return literal_of(default)
    return values.text(path, typescript.place_of(value))


def _named(node: Node) -> str:
    """Return the value's name; where that says little, the name it was read by."""
    value = peeled(node)
    if value.type == "identifier":
        source = source_of(value)
        if source is not None and source.type == "pair_pattern":
            return text_of(source.child_by_field_name("key"))
        if source is not None and name_of(source) and peeled(source).type != "identifier":
            return name_of(source)
    return name_of(value)
