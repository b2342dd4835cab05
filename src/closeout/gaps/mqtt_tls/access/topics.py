"""Find the topics that a client's source speaks of, Python or TypeScript."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.parsing import python_tree, python_walk, typescript_tree

if TYPE_CHECKING:
    from tree_sitter import Node

READ, WRITE, BOTH = "read", "write", "readwrite"
_CALLS = {
    "subscribe": READ,
    "subscribeAsync": READ,
    "message_callback_add": READ,
    "publish": WRITE,
    "publishAsync": WRITE,
    "will_set": WRITE,
}
_DEVICE = re.compile(r"(device|client)\W*(?:\w*\W)?_?(id|name)\W*$|^\W*device\W*$", re.IGNORECASE)
"""A placeholder for what a device is called, which is also what its certificate names."""
_SEGMENT = re.compile(r"[\w.:@~-]+|\+|#|%u")
_FUNCTIONS = {"function_declaration", "function_expression", "method_definition"}
_HOLE = "\0"
_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as an access list writes it, and what its client does with it."""

    name: str
    access: str


def topics(path: PurePosixPath, content: bytes) -> tuple[Topic, ...]:
    """Return the topics of a source, in order; `%u` stands for the device, `+` for other values."""
    found = dict.fromkeys(_python(content) if path.suffix == ".py" else _typescript(content))
    text = content.decode("utf-8", "replace")
    used = {access for word, access in _CALLS.items() if f".{word}(" in text}
    usual = next(iter(used)) if len(used) == 1 else BOTH
    made = [
        Topic(name=name, access=access or (READ if "+" in held or "#" in held else usual))
        for held, access in found
        if (name := _listed(held))
    ]
    return tuple(dict.fromkeys(made))


def _listed(text: str) -> str:
    """Return the topic of a text whose values stand between zero bytes, empty where it is none."""
    pieces = text.split(_HOLE)
    values = pieces[1::2]
    bare = _HOLE.join(pieces[::2])
    bare = re.sub(r"^\$share/[^/]+/", "", bare)
    names = []
    for part in bare.split("/"):
        held = [values.pop(0) for _ in range(part.count(_HOLE))]
        if held and part == _HOLE and _DEVICE.search(held[0]):
            names.append("%u")
        else:
            names.append("+" if held else part)
    is_topic = len(names) >= _FEWEST and all(_SEGMENT.fullmatch(name) for name in names)
    return "/".join(names) if is_topic and set(names) - {"+", "%u"} else ""


def _is_about_topics(name: str) -> bool:
    return "topic" in name.lower()


def _python(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        module = python_tree.parsed(content)
    except SyntaxError:
        return
    for node in python_walk.nodes(module):
        for value, access in _spoken(node):
            for each in value.elts if isinstance(value, ast.List | ast.Tuple) else (value,):
                if (text := _python_text(each)) is not None:
                    yield text, access


def _spoken(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Yield the values that a node uses as topics, with what is done with them."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(_is_about_topics(ast.unparse(target)) for target in targets):
            yield node.value, ""
    elif isinstance(node, ast.FunctionDef) and _is_about_topics(node.name):
        for each in ast.walk(node):
            if isinstance(each, ast.Return) and each.value is not None:
                yield each.value, ""
    elif isinstance(node, ast.Call):
        word = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if word in _CALLS and node.args:
            yield node.args[0], _CALLS[word]
        for named in node.keywords:
            if named.arg and _is_about_topics(named.arg):
                yield named.value, _CALLS.get(word, "")


def _python_text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            f"{_HOLE}{ast.unparse(part.value)}{_HOLE}"
            if isinstance(part, ast.FormattedValue)
            else str(part.value)
            for part in node.values
            if isinstance(part, ast.FormattedValue | ast.Constant)
        )
    return None


def _typescript(content: bytes) -> Iterator[tuple[str, str]]:
    for node in typescript_tree.find(typescript_tree.parsed(content), "string", "template_string"):
        access = _use(node)
        if access is not None:
            yield "".join(_pieces(node)), access


def _use(node: Node) -> str | None:
    """Return what is done with a topic, empty where that is open; None for any other text."""
    inner, outer = node, node.parent
    while outer is not None and outer.type in {
        "array",
        "parenthesized_expression",
        "as_expression",
    }:
        inner, outer = outer, outer.parent
    if outer is None:
        return None
    if outer.type == "arguments":
        call = outer.parent
        called = typescript_tree.text_of(call.child_by_field_name("function")) if call else ""
        is_first = bool(outer.named_children) and outer.named_children[0].id == inner.id
        return _CALLS.get(called.rpartition(".")[2]) if is_first else None
    field = {"pair": "key", "variable_declarator": "name", "assignment_expression": "left"}.get(
        outer.type, "name"
    )
    named = outer.child_by_field_name(field)
    if outer.type == "return_statement":
        named = _function(outer)
    if (
        named is not None
        and named.id != inner.id
        and _is_about_topics(typescript_tree.text_of(named))
    ):
        return ""
    return None


def _function(node: Node) -> Node | None:
    """Return the name of the function around a node."""
    functions = (each for each in typescript_tree.above(node) if each.type in _FUNCTIONS)
    names = (each.child_by_field_name("name") for each in functions)
    return next(filter(None, names), None)


def _pieces(node: Node) -> Iterable[str]:
    if node.type == "string":
        return [typescript_tree.text_of(node)[1:-1]]
    return [
        f"{_HOLE}{typescript_tree.text_of(part)[2:-1]}{_HOLE}"
        if part.type == "template_substitution"
        else typescript_tree.text_of(part)
        for part in node.named_children
    ]
