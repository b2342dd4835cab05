"""Follow TypeScript expressions to what they can come to, through names and relative imports.

Every branch of a conditional counts, the default behind `||` too. Nothing is run: what cannot be
followed is a leaf of kind "unknown".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.model import Tree
from closeout.parsing.typescript import arguments, find, members, place_of, text_of
from closeout.parsing.typescript_expressions import bare, is_compound, parts
from closeout.parsing.typescript_names import Names, Value, enclosing_parameters
from closeout.parsing.typescript_source import SourceRange, string_value

if TYPE_CHECKING:
    from tree_sitter import Node

FUNCTIONS = frozenset(
    {"arrow_function", "function_declaration", "function_expression", "method_definition"}
)
_QUESTIONS = frozenset({"endsWith", "has", "includes", "indexOf", "some", "startsWith", "test"})
"""Their arguments are compared with, and are not part of what comes out."""
_CUTTING = frozenset({"join", "replace", "replaceAll", "split"})
"""Their receiver comes out, their arguments do not."""
_PASSED_ON = frozenset({"object", "string", "template_string"})
"""What a call may hand back of its arguments; a flag or a pattern steers it instead."""
_READ = frozenset({"identifier", "shorthand_property_identifier"})
_TO_NUMBER = frozenset({"Number", "parseFloat", "parseInt"})
_VARIABLE = re.compile(r"process\.env(?:\.(\w+)|\[['\"`](\w+)['\"`]\])")
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_DEEPEST = 60
_MOST = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Something an expression can come to; `kind` is the grammar's, or "unknown"."""

    path: PurePosixPath
    place: SourceRange
    kind: str
    node: Node = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """Return a string's value, else the source text."""
        value = string_value(self.place)
        return self.place.text if value is None else value


class TypeScriptValues:
    """The values in one tree's TypeScript and JavaScript files."""

    def __init__(self, tree: Tree, environment: Mapping[str, str] | None = None) -> None:
        """Read from `tree`; numbers may come from the variables of `environment`."""
        self.names = Names(tree)
        self.asked: set[str] = set()
        """The variables that numbers were asked for, set or not."""
        self._environment = environment or {}
        self._left = _MOST
        self._answers: dict[tuple[PurePosixPath, int, int], list[Leaf]] = {}
        """What functions return, by where they stand: many places may call the same one."""

    def at(self, path: PurePosixPath, place: SourceRange) -> tuple[Leaf, ...]:
        """Return what the expression at `place` of the file `path` can come to."""
        return tuple(self._each(path, place))

    def text(self, path: PurePosixPath, place: SourceRange) -> str | None:
        """Return the text that the expression at `place` always is; None where it can be another.

        What else it can be is not looked for: in a minified file that is a long search.
        """
        found = self._each(path, place)
        first = next(found, None)
        is_text = first is not None and first.kind in {"string", "template_string"}
        return first.text if first and is_text and next(found, None) is None else None

    def _each(self, path: PurePosixPath, place: SourceRange) -> Iterator[Leaf]:
        root = self.names.root(path)
        node = None if root is None else root.descendant_for_byte_range(place.start, place.end)
        self._left = _MOST
        return iter(()) if node is None else self._follow(path, node, 0)

    def of(self, leaf: Leaf, node: Node) -> tuple[Leaf, ...]:
        """Return what `node`, an expression in the file of `leaf`, can come to."""
        self._left = _MOST
        return tuple(self._follow(leaf.path, node, 0))

    def members(self, leaf: Leaf, name: str) -> tuple[Leaf, ...]:
        """Return what the property `name` of an object literal can come to; none where absent."""
        return tuple(self._property(leaf.path, leaf.node, name, 0))

    def number(self, path: PurePosixPath, node: Node) -> float | None:
        """Return what a numeric expression of constants comes to, None where it cannot be told.

        Where it asks for a variable that the environment lacks, its default counts.
        """
        self._left = _MOST
        return self._number(path, node, 0)

    def resolved(self, path: PurePosixPath, node: Node, depth: int = 0) -> Value | None:
        """Return what a name or a dotted name stands for, None where that cannot be told.

        Names are looked up in the whole file: `node` itself need not stand in it.
        """
        value = bare(node)
        if value.type in _READ:
            return self.names.definition(path, text_of(value))
        holder, name = value.child_by_field_name("object"), value.child_by_field_name("property")
        if value.type != "member_expression" or holder is None or depth > _DEEPEST:
            return None
        for module in self.names.modules(path, text_of(holder)):
            found = self.names.definition(module, text_of(name))
            if found is not None:
                return found
        there, around = self.resolved(path, holder, depth + 1) or (path, holder)
        given = (
            own_values(literal, text_of(name)) if (literal := bare(around)).type == "object" else ()
        )
        return next(((there, item) for item in given), None)

    def _number(self, path: PurePosixPath, node: Node, depth: int) -> float | None:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        value = bare(node)
        if value.type in {"number", "string", "template_string"}:
            return _figure(text_of(value).strip("'\"`"))
        if value.type == "binary_expression":
            return self._computed(path, value, depth + 1)
        if value.type == "call_expression":
            is_number = text_of(value.child_by_field_name("function")) in _TO_NUMBER
            given = arguments(value)[:1] if is_number else []
            return self._number(path, given[0], depth + 1) if given else None
        if variable := _VARIABLE.fullmatch(text_of(value)):
            name = variable[1] or variable[2]
            self.asked.add(name)
            return _figure(self._environment.get(name, ""))
        found = self.resolved(path, value)
        return None if found is None else self._number(*found, depth + 1)

    def _computed(self, path: PurePosixPath, node: Node, depth: int) -> float | None:
        left, right = (
            None if side is None else self._number(path, side, depth)
            for side in map(node.child_by_field_name, ("left", "right"))
        )
        sign = text_of(node.child_by_field_name("operator"))
        if sign in {"||", "??"}:
            return right if left is None else left
        if sign not in _ARITHMETIC or left is None or right is None or (sign == "/" and not right):
            return None
        return _ARITHMETIC[sign](left, right)

    def _follow(self, path: PurePosixPath, node: Node, depth: int) -> Iterator[Leaf]:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            yield _leaf(path, node, "unknown")
            return
        for part in parts(node):
            yield from self._follow(path, part, depth + 1)
        if node.type in _READ:
            yield from self._name(path, node, depth + 1)
        elif node.type == "member_expression":
            yield from self._member(path, node, depth + 1)
        elif node.type == "call_expression":
            yield from self._call(path, node, depth + 1)
        elif not is_compound(node):
            yield _leaf(path, node, node.type)

    def _name(self, path: PurePosixPath, node: Node, depth: int) -> Iterator[Leaf]:
        name = text_of(node)
        if name in enclosing_parameters(node) or name == "undefined":
            yield _leaf(path, node, "undefined" if name == "undefined" else "unknown")
            return
        found = self.names.values(path, node, name)
        for there, value in found:
            yield from self._follow(there, value, depth)
        if not found:
            yield _leaf(path, node, "unknown")

    def _member(self, path: PurePosixPath, node: Node, depth: int) -> Iterator[Leaf]:
        holder, name = node.child_by_field_name("object"), node.child_by_field_name("property")
        if holder is None or name is None or text_of(holder) == "process.env":
            yield _leaf(path, node, "unknown")
            return
        found = [
            leaf
            for there, value in self.names.exported_by(path, text_of(holder), text_of(name))
            for leaf in self._follow(there, value, depth)
        ]
        if not found:
            objects = [item for item in self._follow(path, holder, depth) if item.kind == "object"]
            for item in objects:
                found += self._property(item.path, item.node, text_of(name), depth)
        yield from found or [_leaf(path, node, "unknown")]

    def _call(self, path: PurePosixPath, node: Node, depth: int) -> Iterator[Leaf]:
        """Yield what goes into the call, and what the called function returns."""
        function = node.child_by_field_name("function")
        method = None if function is None else function.child_by_field_name("property")
        if function is None or text_of(method) in _QUESTIONS:
            yield _leaf(path, node, "unknown")
            return
        yield _leaf(path, node, "call")
        holder = function.child_by_field_name("object")
        given = node.child_by_field_name("arguments")
        if holder is not None:
            known = (item for item in self._follow(path, holder, depth) if item.kind != "unknown")
            yield from (item for item in known if item.kind not in FUNCTIONS)
        for part in () if given is None or text_of(method) in _CUTTING else given.named_children:
            found = self._follow(path, part, depth)
            yield from (item for item in found if item.kind in _PASSED_ON)
        if function.type == "identifier":
            for item in self._name(path, function, depth):
                if item.kind in FUNCTIONS:
                    yield from self._returned(item, depth)

    def _returned(self, function: Leaf, depth: int) -> list[Leaf]:
        key = function.path, function.node.start_byte, function.node.end_byte
        if key in self._answers:
            self._left -= len(self._answers[key])
            return self._answers[key]
        found = list(dict.fromkeys(self._answered(function, depth)))
        if self._left >= 0:  # nothing was left out
            self._answers[key] = found
        return found

    def _answered(self, function: Leaf, depth: int) -> Iterator[Leaf]:
        body = function.node.child_by_field_name("body")
        if body is None:
            return
        if body.type != "statement_block":
            yield from self._follow(function.path, body, depth)
            return
        for node in find(body, "return_statement"):
            if node.named_children:
                yield from self._follow(function.path, node.named_children[0], depth)

    def _property(self, path: PurePosixPath, holder: Node, name: str, depth: int) -> Iterator[Leaf]:
        for value in own_values(holder, name):
            yield from self._follow(path, value, depth + 1)
        for value in self.names.assigned_later(path, holder, name):
            yield from self._follow(path, value, depth + 1)
        for child in holder.named_children if depth < _DEEPEST else ():
            if child.type == "spread_element":
                for item in self._follow(path, child, depth + 1):
                    if item.kind == "object":
                        yield from self._property(item.path, item.node, name, depth + 1)


def own_values(holder: Node, name: str) -> Iterator[Node]:
    """Yield the value that an object literal itself gives to the property `name`."""
    yield from (value for key, value in members(holder) if key == name)


def _figure(text: str) -> float | None:
    """Return the number that a literal writes, None where it writes none."""
    try:
        if text[:2].lower() in {"0b", "0o", "0x"}:
            return float(int(text, 0))
        return float(text) if text[:1].isdigit() or text[:1] == "." else None
    except (OverflowError, ValueError):
        return None


def _leaf(path: PurePosixPath, node: Node, kind: str) -> Leaf:
    return Leaf(path=path, place=place_of(node), kind=kind, node=node)
