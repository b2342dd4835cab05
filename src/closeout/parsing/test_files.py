"""Read a test file by parsing it: its cases, which of them assert, and what it hides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from closeout.parsing import python_walk
from closeout.parsing.typescript import arguments, find, first_error, parsed, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_CASES = frozenset({"it", "test", "fit", "xit", "xtest"})
_LITERALS = frozenset(
    {"true", "false", "null", "undefined", "number", "string", "unary_expression"}
)
_FUNCTIONS = frozenset({"arrow_function", "function_expression"})
_NAMED = (
    "class_declaration",
    "export_specifier",
    "function_declaration",
    "interface_declaration",
    "method_definition",
    "type_alias_declaration",
    "variable_declarator",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTest:
    """One test; `times` is how often its table runs it, as far as the source tells."""

    name: str
    line: int
    asserts: bool
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What stands in one test file. Lines are 1-based."""

    cases: tuple[WrittenTest, ...] = ()
    unawaited: tuple[int, ...] = ()
    """Where a promise's outcome is expected and nobody waits for it."""
    mocked: tuple[str, ...] = ()
    """Modules that the file replaces, as it names them."""
    error_line: int | None = None
    """Where the file does not parse; it has no cases then."""
    is_script: bool = False
    """Whether it starts itself and asserts nothing: no test file, whatever its name says."""

    @property
    def asserting(self) -> int:
        """Return how many runs of its cases assert something."""
        return sum(case.times for case in self.cases if case.asserts)

    @property
    def hollow(self) -> tuple[WrittenTest, ...]:
        """Return the cases that can only pass."""
        return tuple(case for case in self.cases if not case.asserts)


def read_python(content: bytes) -> Suite:
    """Return what a pytest file holds."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        return Suite(error_line=getattr(error, "lineno", None) or 1)
    functions = [node for node in python_walk.nodes(tree) if _is_function(node)]
    asserting: set[str] = set()
    # A helper that asserts makes its callers assert; helpers of helpers need a second look.
    for _ in range(2):
        asserting |= {item.name for item in functions if _asserts(item, asserting)}
    cases = [
        WrittenTest(name=item.name, line=item.lineno, asserts=item.name in asserting)
        for item in functions
        if item.name.startswith("test")
    ]
    return Suite(
        cases=tuple(sorted(cases, key=lambda case: case.line)),
        mocked=tuple(_patched(tree)),
        is_script=any(map(_is_main_guard, tree.body)) and not any(case.asserts for case in cases),
    )


def read_typescript(content: bytes) -> Suite:
    """Return what a jest file holds."""
    root = parsed(content)
    if root.has_error:
        return Suite(error_line=first_error(root))
    read = [(_words(node), node) for node in find(root, "call_expression")]
    found = [(words, node) for words, node in read if words[:1] and words[0] in _CASES]
    # `it.each(table)` is the callee of the call that names the case, so it is read there.
    named = [node for _, node in found if not _is_table(node)]
    return Suite(
        cases=tuple(_case(node) for node in named),
        unawaited=tuple(_line(node) for words, node in read if _is_dropped(words, node)),
        mocked=tuple(
            text_of(node).strip("'\"`")
            for words, call in read
            if words in {("jest", "mock"), ("jest", "doMock")}
            for node in arguments(call)[:1]
        ),
    )


def exported_names(content: bytes) -> frozenset[str]:
    """Return what a TypeScript module exports: `name`, and `Class.method` for its classes."""
    names: set[str] = set()
    for node in parsed(content).named_children:
        if node.type == "export_statement":
            for inner in find(node, *_NAMED):
                names.update(_declared(inner))
    return frozenset(names)


def defined_names(content: bytes) -> frozenset[str]:
    """Return a Python module's top-level names, and `Class.method` for its classes.

    Raises SyntaxError or ValueError for what does not parse.
    """
    names: set[str] = set()
    for node in ast.parse(content).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names.update(f"{node.name}.{item.name}" for item in node.body if _is_function(item))
        elif _is_function(node):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(item.id for item in targets if isinstance(item, ast.Name))
    return frozenset(names)


def exported_functions(suffix: str, content: bytes) -> frozenset[str]:
    """Return the functions and methods that a TypeScript or Python module offers.

    Raises SyntaxError or ValueError for Python that does not parse.
    """
    if suffix == ".ts":
        functions = set(_functions(parsed(content)))
        return frozenset(
            name
            for name in exported_names(content)
            if ("." in name and not name.endswith(".constructor")) or name in functions
        )
    top = ast.parse(content).body
    owned = [(f"{node.name}.", node.body) for node in top if isinstance(node, ast.ClassDef)]
    return frozenset(
        f"{owner}{item.name}"
        for owner, body in [("", top), *owned]
        for item in body
        if _is_function(item) and not item.name.startswith("_")
    )


def is_types_only(content: bytes) -> bool:
    """Return whether a TypeScript file holds nothing that runs: types, interfaces, imports."""
    for node in parsed(content).named_children:
        inner = node.child_by_field_name("declaration") if node.type == "export_statement" else node
        if inner is None or inner.type not in {
            "import_statement",
            "interface_declaration",
            "type_alias_declaration",
            "comment",
        }:
            return False
    return True


def _functions(root: Node) -> Iterator[str]:
    for node in find(root, "function_declaration", "variable_declarator"):
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        is_function = node.type == "function_declaration" or (
            value is not None and value.type in _FUNCTIONS
        )
        if name is not None and is_function:
            yield text_of(name)


def _is_function(node: ast.AST) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _asserts(function: ast.FunctionDef | ast.AsyncFunctionDef, helpers: set[str]) -> bool:
    for node in python_walk.nodes(function):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in helpers or name in {"raises", "warns"} or name.startswith("assert"):
                return True
    return False


def _patched(tree: ast.Module) -> Iterator[str]:
    for node in python_walk.nodes(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            if called.endswith(("patch", "monkeypatch.setattr", "mocker.patch")):
                yield str(node.args[0].value)


def _line(node: Node) -> int:
    return int(node.start_point[0]) + 1


def _words(call: Node) -> tuple[str, ...]:
    """Return the names a call goes through: `it.each([…])(…)` gives ("it", "each")."""
    words: list[str] = []
    node = call.child_by_field_name("function")
    while node is not None:
        if node.type == "member_expression":
            name = node.child_by_field_name("property")
            words.append("" if name is None else text_of(name))
            node = node.child_by_field_name("object")
        elif node.type == "call_expression":
            node = node.child_by_field_name("function")
        else:
            words.append(text_of(node) if node.type == "identifier" else "")
            break
    return tuple(reversed(words))


def _is_table(call: Node) -> bool:
    outer = call.parent
    return (
        outer is not None
        and outer.type == "call_expression"
        and outer.child_by_field_name("function") == call
    )


def _case(call: Node) -> WrittenTest:
    given = arguments(call)
    bodies = [node for node in given if node.type in _FUNCTIONS]
    table = call.child_by_field_name("function")
    rows = arguments(table) if table is not None and table.type == "call_expression" else []
    times = len(rows[0].named_children) if rows and rows[0].type == "array" else 1
    return WrittenTest(
        name=text_of(given[0]).strip("'\"`") if given else "",
        line=_line(call),
        asserts=any(_expects(node) for body in bodies for node in find(body, "call_expression")),
        times=times,
    )


def _expects(node: Node) -> bool:
    called = node.child_by_field_name("function")
    if called is None:
        return False
    name = text_of(called)
    if name == "expect":
        given = arguments(node)
        return bool(given) and given[0].type not in _LITERALS
    if called.type == "member_expression":
        return name.startswith("assert.")
    return called.type == "identifier" and name.startswith(("assert", "expect"))


def _is_dropped(words: tuple[str, ...], call: Node) -> bool:
    awaited = {"rejects", "resolves"}.intersection(words)
    alone = call.parent is not None and call.parent.type == "expression_statement"
    return words[:1] == ("expect",) and bool(awaited) and alone


def _declared(node: Node) -> Iterator[str]:
    name = node.child_by_field_name("name")
    if name is None:
        return
    if node.type == "variable_declarator":
        # A local of an exported function is not exported; its declaration hangs deeper.
        outer = node.parent.parent if node.parent is not None else None
        if outer is not None and outer.type == "export_statement":
            yield text_of(name)
    elif node.type == "method_definition":
        outer = node.parent.parent if node.parent is not None else None
        owner = outer.child_by_field_name("name") if outer is not None else None
        if owner is not None:
            yield f"{text_of(owner)}.{text_of(name)}"
    else:
        yield text_of(name)
