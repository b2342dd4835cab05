"""Say without which variables a source refuses to start: what it throws, raises or looks up bare.

Only what is plain counts: a message that names the variable, a function that requires it by name,
a bare `os.environ["NAME"]`, or a setting of pydantic's without a default.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.parsing import python, typescript
from closeout.parsing.node_sources import SUFFIXES
from closeout.parsing.python_settings import fields, is_optional
from closeout.parsing.typescript_tree import above

if TYPE_CHECKING:
    from tree_sitter import Node

_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_DEMANDING = re.compile(r"requir|mandatory|must", re.IGNORECASE)
_LACKING = re.compile(
    r"\b(?:not|un|isn't) ?set\b|missing|required|undefined|must be (?:set|given)|needs?\b",
    re.IGNORECASE,
)
"""What is said of a variable that is not there; of a value that is wrong, other things are."""
_ENVIRONMENTS = frozenset({"os.environ", "environ"})
_STAGE = re.compile(r"production", re.IGNORECASE)
_FUNCTIONS = frozenset(
    {"function_declaration", "function_expression", "arrow_function", "method_definition"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandedVariable:
    """One variable that a source demands; `in_production` where it is asked for there alone."""

    name: str
    in_production: bool = False


@lru_cache(maxsize=4096)
def demanded(path: PurePosixPath, content: bytes) -> tuple[DemandedVariable, ...]:
    """Return what a Python, JavaScript or TypeScript source demands, each variable once."""
    if path.suffix == ".py" and (b"env" in content or b"BaseSettings" in content):
        found: Iterable[DemandedVariable] = chain(_by_python(content), _by_settings(content))
    elif path.suffix in SUFFIXES and (b"process.env" in content or b"equire" in content):
        found = _by_node(content)
    else:
        return ()
    # What is demanded everywhere is demanded in production too.
    ordered = sorted(found, key=lambda item: (item.name, item.in_production))
    first: dict[str, DemandedVariable] = {}
    for item in ordered:
        first.setdefault(item.name, item)
    return tuple(first.values())


def _by_python(content: bytes) -> Iterator[DemandedVariable]:
    try:
        module = python.parse(content).tree
    except SyntaxError:
        return
    text = content.decode("utf-8", "replace")
    may_be_staged = _STAGE.search(text) is not None
    waiting: list[tuple[ast.AST, bool]] = [(module, False)]
    while waiting:
        node, staged = waiting.pop()
        if isinstance(node, ast.If) and may_be_staged and _STAGE.search(ast.unparse(node.test)):
            staged = True
        if isinstance(node, ast.Raise) and node.exc is not None:
            said = (each for each in ast.walk(node.exc) if isinstance(each, ast.Constant))
            for name in (name for each in said for name in _lacking(str(each.value))):
                if f'"{name}"' in text or f"'{name}'" in text:
                    yield DemandedVariable(name=name, in_production=staged)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = node.slice
            if isinstance(key, ast.Constant) and ast.unparse(node.value) in _ENVIRONMENTS:
                yield DemandedVariable(name=str(key.value), in_production=staged)
        waiting += [(child, staged) for child in ast.iter_child_nodes(node)]


def _by_settings(content: bytes) -> Iterator[DemandedVariable]:
    try:
        nodes = python.parse(content).nodes if b"BaseSettings" in content else ()
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            for name, item in fields(node):
                if item.value is None and not is_optional(item):
                    yield DemandedVariable(name=name)


def _by_node(content: bytes) -> Iterator[DemandedVariable]:
    root = typescript.parsed(content)
    for node in typescript.find(root, "throw_statement", "call_expression"):
        text = typescript.text_of(node)
        if node.type == "call_expression":
            callee = typescript.text_of(node.child_by_field_name("function"))
            given = typescript.arguments(node)
            named = typescript.text_of(given[0]).strip("\"'`") if given else ""
            names = [named] if _DEMANDING.search(callee) and _NAME.fullmatch(named) else []
        else:
            names = [
                name
                for name in _lacking(text)
                if re.search(rb"process\.env(?:\.|\[['\"])%s\b" % name.encode(), content)
            ]
        for name in names:
            yield DemandedVariable(name=name, in_production=_is_staged(node))


def _lacking(said: str) -> list[str]:
    """Return the variables of which a message says that they are not there."""
    return _NAME.findall(said) if _LACKING.search(said) else []


def _is_staged(node: Node) -> bool:
    """Return whether a condition around it speaks of production, within its own function."""
    own = takewhile(lambda each: each.type not in _FUNCTIONS, above(node))
    conditions = (typescript.text_of(each.child_by_field_name("condition")) for each in own)
    return any(map(_STAGE.search, conditions))
