"""Follow the imports of Python modules within one service."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing import python


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
    try:
        nodes = python.parse(tree.read(path) or b"").nodes
    except SyntaxError:
        return
    own = path.relative_to(folder).parts[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (tuple(item.name.split(".")) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = own[: len(own) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            yield from (module, *((*module, item.name) for item in node.names))
