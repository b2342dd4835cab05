"""Read secret variables from code: what a program asks its environment for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from closeout.fs.prefilter import holds
from closeout.fs.text_edit import line_number
from closeout.gaps.external_secrets.inventory.names import (
    NAME,
    Mention,
    Origin,
    is_secret,
    is_usable,
)
from closeout.parsing import python, typescript
from closeout.parsing.python_settings import fields
from closeout.parsing.python_walk import text
from closeout.parsing.typescript import literal_of, text_of
from closeout.parsing.typescript_expressions import WRAPPERS

if TYPE_CHECKING:
    from tree_sitter import Node

_PROCESS_ENV = re.compile(rb"\bprocess\s*\.\s*env\b")
_PYTHON_SIGNS = (b"environ", b"getenv", b"BaseSettings")
_SETTINGS = b"BaseSettings"
_NAMES = re.compile(rb"\b[A-Z][A-Z0-9_]+\b")
_ANY_URL = "amqp://user:password@host"
"""A value with which every variable that may be a secret is one."""
_QUOTED = re.compile(rb"""\(\s*(['"`])([A-Z][A-Z0-9_]*)\1""")
_SCHEMA_CALL = re.compile(
    rb"""\benv(?:_var)?\(\s*(['"])([A-Z][A-Z0-9_]*)\1(?:\s*,\s*(['"])(?P<default>[^'"]*)\3)?"""
)


def in_schema(content: bytes) -> Iterator[Mention]:
    """Yield the secrets that a Prisma schema or a dbt profile reads."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.lstrip().startswith((b"//", b"#")):
            continue
        for match in _SCHEMA_CALL.finditer(line):
            name = match[2].decode()
            if is_secret(name):
                yield _code(name, number, (match["default"] or b"").decode("utf-8", "replace"))


@lru_cache(maxsize=4096)
def in_python(content: bytes) -> tuple[Mention, ...]:
    """Return the secrets that a module reads with os.getenv, os.environ or a settings class."""
    return tuple(_in_python(content))


def module_may_read(content: bytes) -> bool:
    """Return whether a module that holds these bytes may ask its environment for a secret."""
    return holds(content, _PYTHON_SIGNS) and (_SETTINGS in content or names_a_secret(content))


def script_may_read(content: bytes) -> bool:
    """Return whether a script that holds these bytes may ask its environment for a secret."""
    asks = b"process" in content and _PROCESS_ENV.search(content) is not None
    return asks and names_a_secret(content)


def _in_python(content: bytes) -> Iterator[Mention]:
    if not module_may_read(content):
        return
    try:
        nodes = python.parse(content).nodes
    except SyntaxError:
        return
    wrapped = any(_asks(node) and not text(_argument(node)) for node in nodes)
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield from _settings(node)
            continue
        calls = wrapped and isinstance(node, ast.Call)
        if not (_asks(node) or calls):
            continue
        name = text(_argument(node))
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            continue
        default = node.args[1] if isinstance(node, ast.Call) and len(node.args) > 1 else None
        if is_secret(name):
            yield _code(name, getattr(node, "lineno", 1), text(default))


@lru_cache(maxsize=4096)
def in_typescript(content: bytes, *, is_plain: bool) -> tuple[Mention, ...]:
    """Return the secrets that a script reads of `process.env`; a plain one holds no markup."""
    return tuple(_in_typescript(content, is_plain=is_plain))


def _in_typescript(content: bytes, *, is_plain: bool) -> Iterator[Mention]:
    if not script_may_read(content) or typescript.refusal(content):
        return
    root = typescript.parsed(content) if is_plain else _with_markup(content)
    wrapped = False
    for match in _PROCESS_ENV.finditer(content):
        node = root.descendant_for_byte_range(match.start(), match.end())
        if node is None or node.type != "member_expression":
            continue
        reads = list(_reads(node))
        wrapped = wrapped or not reads
        for name, line, default in reads:
            if is_secret(name):
                yield _code(name, line, default)
    if wrapped:
        yield from _wrapped(content, root)


@lru_cache(maxsize=256)
def names_a_secret(content: bytes) -> bool:
    """Return whether any word in capitals may be a secret variable."""
    return any(_may_be_secret(word) for word in set(_NAMES.findall(content)))


@lru_cache(maxsize=8192)
def _may_be_secret(word: bytes) -> bool:
    return is_secret(word.decode(), _ANY_URL)


def _with_markup(content: bytes) -> Node:
    import tree_sitter_typescript  # noqa: PLC0415 - heavy; most files are settled by bytes
    from tree_sitter import Language, Parser  # noqa: PLC0415 - as above

    return Parser(Language(tree_sitter_typescript.language_tsx())).parse(content).root_node


def _reads(node: Node) -> Iterator[tuple[str, int, str]]:
    parent = node.parent
    if parent is None:
        return
    line = node.start_point[0] + 1
    if parent.type == "member_expression":
        read = parent.child_by_field_name("property")
        if not _is_written(parent):
            yield text_of(read), line, _default(parent)
    elif parent.type == "subscript_expression":
        name = text_of(parent.child_by_field_name("index")).strip("\"'`")
        if NAME.match(name) and not _is_written(parent):
            yield name, line, _default(parent)
    elif parent.type == "variable_declarator":
        pattern = parent.child_by_field_name("name")
        for item in pattern.named_children if pattern is not None else ():
            name_node = item.child_by_field_name("key") or item.child_by_field_name("left") or item
            bound = item.child_by_field_name("value") or item
            right = bound.child_by_field_name("right")
            yield text_of(name_node), item.start_point[0] + 1, _literal(right)


def _wrapped(content: bytes, root: Node) -> Iterator[Mention]:
    """Yield names handed to a function, where the file looks variables up by a computed name."""
    for match in _QUOTED.finditer(content):
        node = root.descendant_for_byte_range(match.start(2), match.end(2))
        while node is not None and node.type in {"string_fragment", "string", "template_string"}:
            node = node.parent
        name = match[2].decode()
        if node is None or node.type != "arguments" or not is_secret(name):
            continue
        rest = node.named_children[1:]
        yield _code(name, line_number(content, match.start(2)), _literal(next(iter(rest), None)))


def _is_written(node: Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "assignment_expression":
        return bool(parent.child_by_field_name("left") == node)
    return str(parent.type) == "unary_expression"


def _default(node: Node) -> str:
    top = node
    while top.parent is not None and top.parent.type in WRAPPERS:
        top = top.parent
    parent = top.parent
    if parent is None or parent.type != "binary_expression":
        return ""
    operator = text_of(parent.child_by_field_name("operator"))
    is_left = parent.child_by_field_name("left") == top
    right = parent.child_by_field_name("right")
    return _literal(right) if is_left and operator in {"||", "??"} else ""


def _literal(node: Node | None) -> str:
    return (literal_of(node) if node is not None else None) or ""


def _code(name: str, line: int, default: str) -> Mention:
    usable = is_usable(name, default)
    return Mention(name=name, line=line, origin=Origin.CODE, fallback=usable)


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return ast.unparse(node.value) in {"os.environ", "environ"}
    asking = {"os.getenv", "getenv", "os.environ.get", "environ.get"}
    return isinstance(node, ast.Call) and ast.unparse(node.func) in asking


def _argument(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.Subscript):
        return node.slice
    return node.args[0] if isinstance(node, ast.Call) and node.args else None


def _settings(node: ast.ClassDef) -> Iterator[Mention]:
    for variable, item in fields(node):
        name, default = variable, text(item.value)
        if isinstance(item.value, ast.Call) and not _asks(item.value):
            given = {word.arg: text(word.value) for word in item.value.keywords}
            name = given.get("validation_alias") or given.get("alias") or name
            default = given.get("default", "") or text(_argument(item.value))
        if is_secret(name, default):
            yield _code(name, item.lineno, default)
