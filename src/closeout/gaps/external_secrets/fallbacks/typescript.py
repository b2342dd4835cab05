"""Have TypeScript and JavaScript ask for a secret where they use it, instead of making one up.

A constant that falls back keeps its name; the functions that use it throw first, in what handles
their other failures: a client that logs and goes on without its broker does so without an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.once import once
from closeout.fs.text_edit import Splice, indentation, line_start
from closeout.fs.tree import below
from closeout.gaps.external_secrets.fallbacks.written_default import WrittenDefault, masked
from closeout.gaps.external_secrets.inventory import SCRIPTED
from closeout.gaps.external_secrets.inventory.literals import is_fixture
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable
from closeout.model import Tree
from closeout.parsing import typescript

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTIONS = frozenset(
    {"function_declaration", "function_expression", "arrow_function", "method_definition"}
    | {"generator_function_declaration", "generator_function"}
)
_BLOCKS = frozenset({"statement_block", "program", "switch_case"})
_CONDITIONAL = frozenset(
    {"if_statement", "else_clause", "ternary_expression", "for_statement", "for_in_statement"}
    | {"while_statement", "class_body"}
)
_SHORT = frozenset({"&&", "||", "??"})
_EXPORTS = re.compile(rb"(?m)^[ \t]*export\b|\bexports\b")
_NAMED = frozenset({"identifier", "shorthand_property_identifier"})


def defaults(tree: Tree, folder: PurePosixPath, path: PurePosixPath) -> Iterator[WrittenDefault]:
    """Yield the fallbacks of a source of the service in `folder`."""
    content = tree.read(path) or b""
    source = typescript.read(content)
    if source.refusal or source.error_line is not None:
        return
    root = typescript.parsed(content)
    exports = _EXPORTS.search(content)
    for item in source.fallbacks:
        if not (is_secret(item.variable, item.literal) and is_usable(item.variable, item.literal)):
            continue
        start, end = item.place.start, item.place.end
        node = root.descendant_for_byte_range(start, end)
        at = content.rfind(item.literal.encode(), start, end)
        if node is None or at < 0:
            continue
        read = item.asked.text if item.is_plain else f"({item.asked.text})"
        guards = _guards(content, node, item.variable, read)
        demand = (
            _alone(content, start, end, read),
            *(guards or ()),
            *_commented(root, item.literal),
        )
        is_safe = guards is not None and not (
            _is_read_early(tree, folder, path)
            or _is_tried_without(tree, folder, path, item.variable)
        )
        is_at_load = _is_at_load(guards, root)
        yield WrittenDefault(
            name=item.variable,
            literal=item.literal,
            line=item.place.line,
            place=(at, at + len(item.literal.encode())),
            required=demand if is_safe else (),
            is_at_load=is_at_load,
            is_script=not exports or (b"require.main" in content and not is_at_load),
        )


def _alone(content: bytes, start: int, end: int, read: str) -> Splice:
    """Return what leaves the variable, on the line that it is assigned on."""
    line = content.rfind(b"\n", 0, start)
    above = content.rfind(b"\n", 0, max(line, 0)) + 1
    before = re.search(rb"=[ \t]*\r?\n[ \t]*\Z", content[above:start])
    if before is None:
        return Splice(start=start, end=end, text=read)
    return Splice(start=above + before.start() + 1, end=end, text=f" {read}")


def _is_read_early(tree: Tree, folder: PurePosixPath, path: PurePosixPath) -> bool:
    """Return whether another source of the service loads variables, maybe after this one."""
    return bool(_loading(tree, folder) - {path})


@once
def _loading(tree: Tree, folder: PurePosixPath) -> frozenset[PurePosixPath]:
    loads = re.compile(rb"['\"]dotenv|@dotenvx|loadEnvFile\(")
    found = (each for each in _sources(tree, folder) if loads.search(tree.read(each) or b""))
    return frozenset(found)


def _is_tried_without(
    tree: Tree, folder: PurePosixPath, path: PurePosixPath, variable: str
) -> bool:
    """Return whether the service's own tests run a source, and none sets the variable."""
    named = re.compile(rb"(?m)^(?![^\n]*\bmock\w*\()[^\n]*/%s(?:\.\w+)?['\"]" % path.stem.encode())
    tests = [
        tree.read(each) or b""
        for each in below(tree, folder)
        if each.suffix in SCRIPTED and is_fixture(each)
    ]
    if any(variable.encode() in content for content in tests):
        return False
    stands_in = re.compile(rb"\bmock\w*\([^\n]*/%s(?:\.\w+)?['\"]" % path.stem.encode())
    return any(named.search(each) and not stands_in.search(each) for each in tests)


def _sources(tree: Tree, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    found = below(tree, folder)
    return (each for each in found if each.suffix in SCRIPTED and not is_fixture(each))


def _guards(content: bytes, node: Node, variable: str, read: str) -> tuple[Splice, ...] | None:
    """Return what throws where the variable is used and not set; None where that is not known.

    What is read outside of functions is asked for when the source is loaded.
    """
    constant = _constant(node)
    here = _statement(content, node)
    if here is None:
        return None
    at_once = (_guard(content, here, variable, read),)
    if constant is None or _function(constant) is not None or here.type == "export_statement":
        return at_once
    name = typescript.text_of(constant.child_by_field_name("name"))
    uses = _uses(constant, name)
    if any(_function(use) is None for use in uses):
        return at_once
    made: list[Splice] = []
    asked: list[Node] = []
    for use in uses:
        if any(_is_within(use, each) for each in asked):
            continue
        statement = _statement(content, use)
        if statement is None or statement.parent is None:
            return None
        asked.append(statement.parent)
        made.append(_guard(content, statement, variable, name))
    return tuple(made)


def _is_at_load(guards: tuple[Splice, ...] | None, root: Node) -> bool:
    """Return whether anything is asked outside of functions."""
    asked = (root.descendant_for_byte_range(each.start, each.start) for each in guards or ())
    return any(node is None or _function(node) is None for node in asked)


def _guard(content: bytes, statement: Node, variable: str, read: str) -> Splice:
    start = line_start(content, statement.start_byte)
    blank = indentation(content, statement.start_byte)
    step = "\t" if blank.startswith("\t") else "    " if _is_wide(content) else "  "
    end = ";" if typescript.text_of(statement).endswith(";") else ""
    text = (
        f"{blank}if (!{read}) {{\n"
        f"{blank}{step}throw new Error('{variable} is not set'){end}\n"
        f"{blank}}}\n"
    )
    return Splice(start=start, end=start, text=text)


def _is_wide(content: bytes) -> bool:
    steps = re.findall(rb"(?m)\{[ \t]*\r?\n( +)\S", content)
    return bool(steps) and min(len(step) for step in steps) > 2  # noqa: PLR2004 - blanks


def _constant(node: Node) -> Node | None:
    """Return the `const` that an expression initializes with nothing around it."""
    above = node.parent
    if above is None or above.type != "variable_declarator":
        return None
    name, kept = above.child_by_field_name("name"), above.parent
    is_plain = name is not None and name.type == "identifier"
    is_const = kept is not None and typescript.text_of(kept).startswith("const")
    return above if is_plain and is_const else None


def _uses(constant: Node, name: str) -> list[Node]:
    """Return where a constant's name is used below the block that declares it."""
    around = constant.parent.parent if constant.parent is not None else None
    if around is None:
        return []
    found = [each for kind in _NAMED for each in typescript.find(around, kind)]
    return sorted(
        (
            each
            for each in found
            if typescript.text_of(each) == name
            and not constant.start_byte <= each.start_byte < constant.end_byte
        ),
        key=lambda each: each.start_byte,
    )


def _function(node: Node) -> int | None:
    """Return where the function starts that a node stands in, None outside of all."""
    above = node.parent
    while above is not None and above.type not in _FUNCTIONS:
        above = above.parent
    return above.start_byte if above is not None else None


def _statement(content: bytes, node: Node) -> Node | None:
    """Return the statement of a block that a node stands in, which begins a line.

    None where another place on its line, or a condition, decides whether it is reached.
    """
    current = node
    while (above := current.parent) is not None and above.type not in _BLOCKS:
        operator = typescript.text_of(above.child_by_field_name("operator"))
        is_first = above.child_by_field_name("left") == current
        is_asked = above.child_by_field_name("condition") == current
        if operator in _SHORT and not is_first:
            return None
        if above.type in _FUNCTIONS or (above.type in _CONDITIONAL and not is_asked):
            return None
        current = above
    before = content[line_start(content, current.start_byte) : current.start_byte]
    return current if current.parent is not None and not before.strip() else None


def _is_within(node: Node, block: Node) -> bool:
    return bool(block.start_byte <= node.start_byte < block.end_byte)


def _commented(root: Node, literal: str) -> Iterator[Splice]:
    """Yield what takes the literal out of comments that tell of it."""
    for node in typescript.find(root, "comment"):
        text = typescript.text_of(node)
        if literal in text:
            told = text.replace(f"default: {literal}", f"such as {masked(literal)}")
            after = told.replace(literal, masked(literal))
            yield Splice(start=node.start_byte, end=node.end_byte, text=after.replace("\r\n", "\n"))
