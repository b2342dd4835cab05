"""Tell which literal strings an expression of a service can come to, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from closeout.anchors.python import Module

_READERS = frozenset(["getenv", "get", "pop", "setdefault"])
_WRAPPERS = frozenset(
    ["list", "tuple", "set", "frozenset", "sorted", "str", "cast", "filter", "map", "loads"]
)
_STRING_METHODS = frozenset(["split", "strip", "lower", "rstrip", "lstrip", "replace", "copy"])


class Values:
    """The literals behind names, attributes, defaults and functions of one service.

    It over-approximates: every branch and every assignment counts. What it cannot follow, such as
    a value from the environment, adds nothing.
    """

    def __init__(self, modules: Mapping[PurePosixPath, Module]) -> None:
        """Look things up in `modules`."""
        self._modules = modules

    def strings(self, node: ast.expr, module: Module) -> frozenset[str]:
        """Return every literal string that `node` of `module` can hold or contain."""
        found: set[str] = set()
        seen: set[ast.AST] = set()
        waiting: list[tuple[ast.AST, Module]] = [(node, module)]
        while waiting:
            item, home = waiting.pop()
            if item in seen:
                continue
            seen.add(item)
            if isinstance(item, ast.Constant):
                found |= {item.value} if isinstance(item.value, str) else set()
            else:
                waiting.extend(self._sources(item, home))
        return frozenset(found)

    def _sources(self, node: ast.AST, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        if isinstance(node, ast.Name):
            yield from self._named(node.id, module)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node.attr)
        elif isinstance(node, ast.Call):
            yield from self._called(node, module)
        else:
            yield from ((part, module) for part in _parts(node))

    def _named(self, name: str, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        yield from ((value, module) for value in module.assigned(name))
        dotted = module.imports.get(name, "")
        if "." in dotted:
            origin, _, original = dotted.rpartition(".")
            stem = origin.rsplit(".", 1)[-1]
            for path, other in self._modules.items():
                if stem in {path.stem, path.parent.name} and other is not module:
                    yield from ((value, other) for value in other.assigned(original))

    def _attribute(self, name: str) -> Iterator[tuple[ast.AST, Module]]:
        for module in self._modules.values():
            for statement, _ in module.statements:
                if not isinstance(statement, ast.Assign | ast.AnnAssign) or not statement.value:
                    continue
                targets = (
                    statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                )
                if any(ast.unparse(target).rsplit(".", 1)[-1] == name for target in targets):
                    yield statement.value, module

    def _called(self, call: ast.Call, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        if name in _READERS:
            yield from ((node, module) for node in call.args[1:])
            yield from ((item.value, module) for item in call.keywords if item.arg == "default")
        elif name == "Field":
            yield from ((node, module) for node in call.args[:1])
            defaults = [
                item for item in call.keywords if item.arg in {"default", "default_factory"}
            ]
            yield from ((item.value, module) for item in defaults)
        elif name in _STRING_METHODS and isinstance(call.func, ast.Attribute):
            yield call.func.value, module
        elif name in _WRAPPERS:
            yield from ((node, module) for node in call.args)
        else:
            yield from self._returned(name)

    def _returned(self, name: str) -> Iterator[tuple[ast.AST, Module]]:
        for module in self._modules.values():
            for statement, scope in module.statements:
                if isinstance(statement, ast.Return) and scope and scope.name == name:
                    yield from ((node, module) for node in [statement.value] if node)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        yield from node.elts
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        yield from (generator.iter for generator in node.generators)
    elif isinstance(node, ast.Starred | ast.Subscript | ast.Await | ast.NamedExpr):
        yield node.value
    elif isinstance(node, ast.Lambda):
        yield node.body
