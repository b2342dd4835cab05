"""Tell which literal strings an expression of a service can come to, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from closeout.parsing.python import Module
from closeout.parsing.python_modules import PythonModules
from closeout.parsing.python_walk import entries, text

_READERS = frozenset(["getenv", "get", "pop", "setdefault"])
_WRAPPERS = frozenset(
    ["list", "tuple", "set", "frozenset", "sorted", "str", "cast", "filter", "map", "loads"]
)
_STRING_METHODS = frozenset(["split", "strip", "lower", "rstrip", "lstrip", "replace", "copy"])


class PythonValues:
    """The literals behind names, attributes, defaults and functions of one service.

    It over-approximates: every branch and every assignment counts. What it cannot follow, such as
    a value from the environment, adds nothing.
    """

    def __init__(self, modules: PythonModules) -> None:
        """Look things up in `modules`."""
        self._modules = modules
        self._asked: set[ast.AST] = set()
        self._of_attribute: dict[str, frozenset[str]] = {}

    def strings(self, node: ast.expr, module: Module) -> frozenset[str]:
        """Return every literal string that `node` of `module` can hold or contain."""
        if not isinstance(node, ast.Attribute):
            return self._seen(node, module)
        # Attributes are followed by their last name alone: it comes to the same everywhere.
        if node.attr not in self._of_attribute:
            self._of_attribute[node.attr] = self._seen(node, module)
        return self._of_attribute[node.attr]

    def _seen(self, node: ast.expr, module: Module) -> frozenset[str]:
        return frozenset(
            item.value
            for item, _ in self._reached(node, module)
            if isinstance(item, ast.Constant) and isinstance(item.value, str)
        )

    def is_foreign(self, node: ast.expr, module: Module) -> bool:
        """Return whether `node` comes from an import that none of the service's modules answers."""
        return any(
            isinstance(item, ast.Name | ast.Attribute)
            and self._is_from_elsewhere(home.imports.get(_root(item), "os"))
            for item, home in self._reached(node, module)
        )

    def _is_from_elsewhere(self, dotted: str) -> bool:
        origin = dotted.rpartition(".")[0] or dotted
        return origin.split(".")[0] != "os" and not any(
            self._modules.has(name)
            for name in {origin.rpartition(".")[2], dotted.rpartition(".")[2]}
        )

    def dictionaries(
        self, node: ast.expr, module: Module
    ) -> tuple[tuple[Mapping[str, ast.expr], Module], ...]:
        """Return the entries of every literal dictionary that `node` can be, with its module."""
        if node in self._asked:
            return ()
        self._asked.add(node)
        found = tuple(
            (held, home)
            for item, home in self._reached(node, module)
            if (held := entries(item)) is not None
        )
        self._asked.discard(node)
        return found

    def _reached(self, node: ast.expr, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        seen: set[ast.AST] = set()
        waiting: list[tuple[ast.AST, Module]] = [(node, module)]
        while waiting:
            item, home = waiting.pop()
            if item in seen:
                continue
            seen.add(item)
            yield item, home
            waiting.extend(self._sources(item, home))

    def _sources(self, node: ast.AST, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        if isinstance(node, ast.Name):
            yield from self._named(node.id, module)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node.attr)
        elif isinstance(node, ast.Call):
            yield from self._called(node, module)
        elif isinstance(node, ast.Subscript):
            yield node.value, module
            yield from self._entry(node.value, node.slice, module)
        else:
            yield from ((part, module) for part in _parts(node))

    def _named(self, name: str, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        yield from (
            (value, module)
            for value in (*module.assigned(name), *module.bindings.added.get(name, ()))
        )
        dotted = module.imports.get(name, "")
        if "." in dotted:
            origin, _, original = dotted.rpartition(".")
            stem = origin.rsplit(".", 1)[-1]
            for path, other in self._modules.holding(original):
                if stem in {path.stem, path.parent.name} and other is not module:
                    yield from ((value, other) for value in other.assigned(original))

    def _entry(
        self, owner: ast.expr, key: ast.expr, module: Module
    ) -> Iterator[tuple[ast.AST, Module]]:
        for held, home in self.dictionaries(owner, module) if text(key) else ():
            if text(key) in held:
                yield held[text(key)], home

    def _attribute(self, name: str) -> Iterator[tuple[ast.AST, Module]]:
        for _, module in self._modules.holding(name):
            yield from ((value, module) for _, value in module.bindings.kept.get(name, ()))

    def _called(self, call: ast.Call, module: Module) -> Iterator[tuple[ast.AST, Module]]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        if name in _READERS:
            yield from ((node, module) for node in call.args[1:])
            yield from ((item.value, module) for item in call.keywords if item.arg == "default")
            if call.args and isinstance(call.func, ast.Attribute):
                yield from self._entry(call.func.value, call.args[0], module)
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
        for _, module in self._modules.holding(name):
            yield from ((value, module) for value in module.bindings.returned.get(name, ()))


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


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
    elif isinstance(node, ast.Starred | ast.Await | ast.NamedExpr):
        yield node.value
    elif isinstance(node, ast.Lambda):
        yield node.body
