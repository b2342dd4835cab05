"""Locate things in Python sources by parsing, as byte offsets; nothing here changes a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from closeout.parsing.bindings import Bindings
from closeout.parsing.memo import Remembered
from closeout.parsing.python_tree import parsed
from closeout.parsing.python_walk import Scope, assignment, entries, expressions, nodes, statements

_BOM = b"\xef\xbb\xbf"
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_APP_CLASSES = frozenset(
    ["fastapi.FastAPI", "fastapi.applications.FastAPI", "starlette.applications.Starlette"]
)
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_ORIGIN_OPTIONS = frozenset(["allow_origins", "allow_origin_regex"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A byte range of a file, from `start` up to `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCreation:
    """A statement that creates an application."""

    name: str
    """How code beside it refers to the application, such as `app` or `self.app`; may be empty."""
    line: int
    statement: ast.stmt
    scope: Scope | None
    """The function it stands in; None at module level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsCall:
    """A call that sets up a CORS policy, with its options by name."""

    line: int
    span: Span
    receiver: str | None
    """The application's name where this is a statement `name.add_middleware(…)`, else None."""
    options: Mapping[str, ast.expr]
    scope: Scope | None
    unread: tuple[ast.expr, ...] = ()
    """What stands behind `**` and is no dictionary of this module."""


class Module:
    """One parsed source with its byte offsets."""

    def __init__(self, content: bytes) -> None:
        """Parse `content`; raises SyntaxError for anything that is not UTF-8 Python."""
        self.content = content
        self.tree = parsed(content)
        self._lines = [0, *(match.end() for match in _NEWLINE.finditer(content))]
        self._shift = len(_BOM) if content.startswith(_BOM) else 0

    def offset(self, line: int, column: int) -> int:
        """Return the byte offset of ast's 1-based line and 0-based UTF-8 column."""
        return self._lines[line - 1] + column + (self._shift if line == 1 else 0)

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> Span:
        """Return the bytes that `node` occupies."""
        end_line = node.end_lineno or node.lineno
        end_column = node.end_col_offset or 0
        return Span(
            start=self.offset(node.lineno, node.col_offset), end=self.offset(end_line, end_column)
        )

    def source(self, node: ast.expr | ast.stmt) -> str:
        r"""Return the text of `node` with newlines as `\n`."""
        span = self.span(node)
        return _NEWLINE.sub(b"\n", self.content[span.start : span.end]).decode()

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Return every node of the module, as `ast.walk` yields them."""
        return tuple(nodes(self.tree))

    @cached_property
    def definitions(self) -> Mapping[str, tuple[Definition, ...]]:
        """Return the classes and functions of the top level by name, in source order."""
        found: dict[str, tuple[Definition, ...]] = {}
        for node in self.tree.body:
            if isinstance(node, Definition):
                found[node.name] = (*found.get(node.name, ()), node)
        return found

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """Return every imported local name and the dotted name it stands for."""
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for item in node.names:
                    names[item.asname or item.name.split(".")[0]] = (
                        item.name if item.asname else item.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                for item in node.names:
                    names[item.asname or item.name] = f"{origin}.{item.name}"
        return names

    def qualified(self, node: ast.expr) -> str:
        """Return the dotted name of `node` with its first part resolved by the imports, or ''."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.qualified(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""

    @cached_property
    def statements(self) -> tuple[tuple[ast.stmt, Scope | None], ...]:
        """Return every statement with the innermost function it stands in."""
        return tuple(statements(self.tree.body))

    @cached_property
    def app_classes(self) -> frozenset[str]:
        """Return the names of the module's classes that derive from an application's."""
        found: set[str] = set()
        for statement, _ in self.statements:
            if isinstance(statement, ast.ClassDef) and any(
                self.qualified(base) in _APP_CLASSES | found for base in statement.bases
            ):
                found.add(statement.name)
        return frozenset(found)

    def applications(self, own: frozenset[str]) -> tuple[AppCreation, ...]:
        """Return the FastAPI or Starlette applications, in source order.

        `own` names the service's classes that derive from one.
        """
        return tuple(
            AppCreation(
                name=_target(statement, call), line=call.lineno, statement=statement, scope=scope
            )
            for call, statement, scope in self.calls
            if (name := self.qualified(call.func)) in _APP_CLASSES or name.rsplit(".", 1)[-1] in own
        )

    def taken_from(self, factory: str) -> Iterator[tuple[str, ast.stmt, str]]:
        """Yield name and statement of every `name = factory(…)` at the top level.

        The third is the module that the function comes from, empty for this one.
        """
        for node in self.tree.body:
            call = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(call, ast.Call):
                origin, _, name = self.qualified(call.func).rpartition(".")
                if name == factory:
                    yield _target(node, call), node, origin.rpartition(".")[2]

    @cached_property
    def cors_calls(self) -> tuple[CorsCall, ...]:
        """Return every call that names CORSMiddleware or takes a list of origins."""
        return tuple(
            CorsCall(
                line=call.lineno,
                span=self.span(call),
                receiver=_receiver(statement, call),
                options=self._options(call),
                scope=scope,
                unread=tuple(
                    keyword.value
                    for keyword in call.keywords
                    if keyword.arg is None and self._unpacked(keyword.value) is None
                ),
            )
            for call, statement, scope in self.calls
            if self._sets_up_cors(call) and not self._is_unpacked(call, statement)
        )

    @cached_property
    def calls(self) -> tuple[tuple[ast.Call, ast.stmt, Scope | None], ...]:
        """Return every call with the statement and the function it stands in."""
        return tuple(
            (node, statement, scope)
            for statement, scope in self.statements
            for node in expressions(statement)
            if isinstance(node, ast.Call)
        )

    def _sets_up_cors(self, call: ast.Call) -> bool:
        names = [self.qualified(node).rsplit(".", 1)[-1] for node in (call.func, *call.args[:1])]
        return "CORSMiddleware" in names or any(
            keyword.arg in _ORIGIN_OPTIONS for keyword in call.keywords
        )

    def _options(self, call: ast.Call) -> Mapping[str, ast.expr]:
        options = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        for keyword in call.keywords:
            if keyword.arg is None:
                options |= self._unpacked(keyword.value) or {}
        positional = [node for node in call.args[1:] if not isinstance(node, ast.Starred)]
        if positional:
            options.setdefault("allow_origins", positional[0])
        return options

    def _unpacked(self, value: ast.expr) -> Mapping[str, ast.expr] | None:
        for node in (value, *self.assigned(value.id if isinstance(value, ast.Name) else "")):
            found = entries(node)
            if found is not None:
                return found
        return None

    def _is_unpacked(self, call: ast.Call, statement: ast.stmt) -> bool:
        """Tell whether `call` is a dictionary of options that another call unpacks."""
        name = _target(statement, call)
        return entries(call) is not None and any(
            keyword.arg is None and ast.unparse(keyword.value) == name
            for other, _, _ in self.calls
            for keyword in other.keywords
        )

    def assigned(self, name: str) -> tuple[ast.expr, ...]:
        """Return every value that the plain name is assigned anywhere in the module."""
        named = self.bindings.kept.get(name, ())
        return tuple(value for target, value in named if isinstance(target, ast.Name))

    @cached_property
    def bindings(self) -> Bindings:
        """Return what is assigned, returned and put into lists, by name."""
        return Bindings(self.statements, [call for call, _, _ in self.calls])

    @cached_property
    def import_statements(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """Return the imports that stand at the top level, in source order."""
        return tuple(
            node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)
        )

    def after_imports(self) -> int:
        """Return the offset of the line after the last top-level import, or after the docstring."""
        body = self.tree.body
        anchor = self.import_statements[-1:] or [
            node for node in body[:1] if ast.get_docstring(self.tree) is not None
        ]
        if not anchor:
            return self._shift
        return self.next_line(anchor[-1])

    def next_line(self, node: ast.stmt) -> int:
        """Return the offset of the line after `node`'s last; the file's end where it has none."""
        line = node.end_lineno or node.lineno
        return self._lines[line] if line < len(self._lines) else len(self.content)


@Remembered
def parse(content: bytes) -> Module:
    """Return the parsed module, remembered by its bytes.

    Raises SyntaxError for anything that is not UTF-8 Python; its `lineno` may be None.
    """
    return Module(content)


def _target(statement: ast.stmt, call: ast.Call) -> str:
    value, targets = assignment(statement)
    return ast.unparse(targets[0]) if value is call else ""


def _receiver(statement: ast.stmt, call: ast.Call) -> str | None:
    stands_alone = isinstance(statement, ast.Expr) and statement.value is call
    if not stands_alone or not isinstance(call.func, ast.Attribute):
        return None
    return ast.unparse(call.func.value) if call.func.attr == "add_middleware" else None
