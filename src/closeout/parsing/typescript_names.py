"""Find what a name stands for in a TypeScript or JavaScript file, and what a file exports."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES
from closeout.parsing.typescript import find, text_of
from closeout.parsing.typescript_tree import above

if TYPE_CHECKING:
    from tree_sitter import Node

_SCOPES = frozenset({"program", "statement_block", "class_body", "for_statement"})
_DECLARING = ("function_declaration", "variable_declarator")
_PATTERNS = ("object_assignment_pattern", "pair_pattern")
_NAMES = ("identifier", "shorthand_property_identifier_pattern")

Value = tuple[PurePosixPath, "Node"]
"""An expression and the file it stands in."""


class Names:
    """The names of one tree's files."""

    def __init__(self, tree: Tree) -> None:
        """Read from `tree`."""
        self._tree = tree
        self._known: dict[tuple[PurePosixPath, str], list[Value]] = {}
        self._sources: dict[PurePosixPath, typescript.TypeScriptSource] = {}

    def root(self, path: PurePosixPath) -> Node | None:
        """Return the root of the file's syntax tree, or None."""
        content = self._tree.read(path)
        return None if content is None else typescript.parsed(content)

    def source(self, path: PurePosixPath) -> typescript.TypeScriptSource:
        """Return what the file holds; nothing where it cannot be read."""
        if path not in self._sources:
            content = self._tree.read(path)
            held = typescript.TypeScriptSource() if content is None else typescript.read(content)
            self._sources[path] = held
        return self._sources[path]

    def values(self, path: PurePosixPath, at: Node, name: str) -> list[Value]:
        """Return what `name`, read at the node `at`, is declared and assigned as."""
        root = self.root(path)
        if root is None:
            return []
        found = _visible(_declared(root).get(name, ()), at)
        if found:
            return [(path, value) for value in (*found, *_assigned(root).get(name, ()))]
        if (path, name) not in self._known:
            self._known[path, name] = list(self._imported(path, name))
        return self._known[path, name]

    def definition(self, path: PurePosixPath, name: str) -> Value | None:
        """Return the first definition of `name` wherever in the file, else what it imports so."""
        found = self._defined(path, name)
        for item in self.source(path).imports if found is None else ():
            there = self.target(path, item.source) if name in item.names else None
            found = None if there is None else self._defined(there, item.names[name])
            if found is not None:
                break
        return found

    def _defined(self, path: PurePosixPath, name: str) -> Value | None:
        root = self.root(path)
        for node in _whole_export(root) if root and name in {"default", "*"} else ():
            is_name = node.type == "identifier"
            return self._defined(path, text_of(node)) if is_name else (path, node)
        found = self.source(path).definition(name)
        if root is None or found is None:
            return None
        node_there = root.descendant_for_byte_range(found.value.start, found.value.end)
        return None if node_there is None else (path, node_there)

    def modules(self, path: PurePosixPath, name: str) -> Iterator[PurePosixPath]:
        """Yield the files that `name` is imported as the whole of."""
        for item in self.source(path).imports:
            there = self.target(path, item.source) if item.names.get(name) == "*" else None
            if there is not None:
                yield there

    def exported_by(self, path: PurePosixPath, holder: str, name: str) -> list[Value]:
        """Return what `holder.name` is where `holder` is a whole module that was imported."""
        return [
            value
            for item in self.source(path).imports
            if item.names.get(holder) in {"*", "default"}
            for value in self.exported(self.target(path, item.source), name)
        ]

    def exported(self, path: PurePosixPath | None, name: str, depth: int = 0) -> list[Value]:
        """Return what the file at `path` exports as `name`."""
        root = None if path is None or depth > len(SUFFIXES) else self.root(path)
        if path is None or root is None:
            return []
        found: list[Value] = []
        if name in {"default", "*"}:
            found += [(path, node) for node in _whole_export(root)]
        assigned = _assigned(root)
        for key in (f"exports.{name}", f"module.exports.{name}"):
            found += [(path, node) for node in assigned.get(key, ())]
        found += [(path, node) for node in _visible(_declared(root).get(name, ()), root)]
        for source, there in _passed_on(root, name):
            found += self.exported(self.target(path, source), there, depth + 1)
        return found

    def assigned_later(self, path: PurePosixPath, holder: Node, name: str) -> list[Node]:
        """Return what the property `name` of the object literal `holder` is set to afterwards."""
        declarator = holder.parent
        root = self.root(path)
        if declarator is None or declarator.type != "variable_declarator" or root is None:
            return []
        variable = text_of(declarator.child_by_field_name("name"))
        return _assigned(root).get(f"{variable}.{name}", [])

    def target(self, importer: PurePosixPath, source: str) -> PurePosixPath | None:
        """Return the file that a relative import names, or None."""
        if not source.startswith("."):
            return None
        parts = list(importer.parent.parts)
        for part in source.split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part not in {".", "..", ""}:
                parts.append(part)
        plain = "/".join(parts)
        bare = plain.rsplit(".", 1)[0] if plain.endswith(SUFFIXES) else plain
        typed = f"{plain[:-2]}ts" if plain.endswith("js") else plain
        names = (
            typed,
            plain,
            *(f"{stem}{end}" for stem in (bare, f"{plain}/index") for end in SUFFIXES),
        )
        found = (item for item in names if item.endswith(SUFFIXES) and self._tree.read(item))
        first = next(found, None)
        return None if first is None else PurePosixPath(first)

    def _imported(self, path: PurePosixPath, name: str) -> Iterator[Value]:
        for item in self.source(path).imports:
            if name in item.names:
                yield from self.exported(self.target(path, item.source), item.names[name])


def enclosing_parameters(node: Node) -> frozenset[str]:
    """Return the parameters of the functions around `node`."""
    names: set[str] = set()
    for around in above(node):
        single = around.child_by_field_name("parameter")
        listed = around.child_by_field_name("parameters")
        for part in (single, listed):
            if part is not None:
                names |= {text_of(item) for item in find(part, *_NAMES)}
    return frozenset(names)


@lru_cache(maxsize=16)
def _declared(root: Node) -> dict[str, list[tuple[Node, Node]]]:
    """Return each name's declarations: the scope it is visible in, and its value."""
    found: dict[str, list[tuple[Node, Node]]] = {}
    for node in find(root, *_DECLARING):
        scope = _scope(node)
        for name, value in _bindings(node):
            found.setdefault(name, []).append((scope, value))
    return found


def _bindings(node: Node) -> Iterator[tuple[str, Node]]:
    name = node.child_by_field_name("name")
    if node.type == "function_declaration":
        yield text_of(name), node
        return
    value = node.child_by_field_name("value")
    if name is None or value is None or text_of(value).startswith("require("):
        return
    if name.type == "identifier":
        yield text_of(name), value
    for part in find(name, *_PATTERNS):
        left = part.child_by_field_name("left") or part.child_by_field_name("value")
        right = part.child_by_field_name("right")
        if left is not None and right is not None:
            yield text_of(left), right


def _scope(node: Node) -> Node:
    return next((each for each in above(node) if each.type in _SCOPES), node)


def _visible(declared: list[tuple[Node, Node]] | tuple[()], at: Node) -> list[Node]:
    """Return the values declared in the innermost scope that holds `at`."""
    around = [
        (scope, value)
        for scope, value in declared
        if scope.start_byte <= at.start_byte and at.end_byte <= scope.end_byte
    ]
    innermost = max((scope.start_byte for scope, _ in around), default=0)
    return [value for scope, value in around if scope.start_byte == innermost]


@lru_cache(maxsize=16)
def _assigned(root: Node) -> dict[str, list[Node]]:
    """Return what is assigned, by the assignment's left side as written."""
    found: dict[str, list[Node]] = {}
    for node in find(root, "assignment_expression"):
        right = node.child_by_field_name("right")
        if right is not None:
            found.setdefault(text_of(node.child_by_field_name("left")), []).append(right)
    return found


def _whole_export(root: Node) -> list[Node]:
    found = list(_assigned(root).get("module.exports", ()))
    for node in root.named_children:
        if node.type == "export_statement" and any(
            part.type == "default" for part in node.children
        ):
            value = node.child_by_field_name("value") or node.child_by_field_name("declaration")
            found += [] if value is None else [value]
    return found


def _passed_on(root: Node, name: str) -> Iterator[tuple[str, str]]:
    """Yield the source and the name there of `export { a as name } from './b'` and the like."""
    for node in root.named_children:
        source = node.child_by_field_name("source")
        if node.type != "export_statement" or source is None:
            continue
        listed = find(node, "export_specifier")
        for part in listed:
            exported = text_of(part.child_by_field_name("alias")) or text_of(
                part.child_by_field_name("name")
            )
            if exported == name:
                yield text_of(source)[1:-1], text_of(part.child_by_field_name("name"))
        if not listed:
            yield text_of(source)[1:-1], name
