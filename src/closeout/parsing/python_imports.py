"""Follow the imports of Python modules within one service."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing import python
from closeout.parsing.memo import Remembered

_Statement = tuple[int, tuple[str, ...], tuple[str, ...]]
"""How many folders up it starts, and from there the parts of a module and the names it gives."""


def reaches(
    tree: Tree, folder: PurePosixPath, starts: Iterable[PurePosixPath], goal: PurePosixPath
) -> bool:
    """Return whether `starts` import the module `goal` in `folder`, themselves or by others."""
    modules = {
        path.relative_to(folder).with_suffix("").parts: path for path in _python(tree, folder)
    }
    waiting, found = list(starts), set[PurePosixPath]()
    while waiting:
        path = waiting.pop()
        for name in _imported(tree, folder, path):
            packages = ((*name[:end], "__init__") for end in range(1, len(name)))
            for each in (name, (*name, "__init__"), *packages):
                module = modules.get(each)
                if module is None or module in found:
                    continue
                if module == goal:
                    return True
                found.add(module)
                waiting.append(module)
    return False


def _python(tree: Tree, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    return (path for path in below(tree, folder) if path.suffix == ".py")


def _imported(tree: Tree, folder: PurePosixPath, path: PurePosixPath) -> Iterator[tuple[str, ...]]:
    """Yield what a module imports, as the parts of a path from `folder`."""
    own = path.relative_to(folder).parts[:-1]
    for level, module, names in _statements(tree.read(path) or b""):
        above = own[: len(own) - level + 1] if level else ()
        origin = (*above, *module)
        yield from (origin, *((*origin, name) for name in names))


@Remembered
def _statements(content: bytes) -> tuple[_Statement, ...]:
    """Return what a source imports; nothing of one that does not parse.

    Whoever follows imports looks at most of a service: what no one else parsed is let go.
    """
    try:
        module = python.parse.known(content) or python.Module(content)
    except SyntaxError:
        return ()
    found: list[_Statement] = []
    for node in module.nodes:
        if isinstance(node, ast.Import):
            found += [(0, tuple(item.name.split(".")), ()) for item in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = tuple(node.module.split(".")) if node.module else ()
            found.append((node.level, origin, tuple(item.name for item in node.names)))
    return tuple(found)
