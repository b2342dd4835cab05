"""Find the env examples of a folder, and the one from which a file of variables is made."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.model import Tree

_KINDS = frozenset({"example", "sample", "template", "tmpl", "dist"})
_LAST = _KINDS | {"env", "local", "development", "dev", "staging", "test", "production", "prod"}
"""How the name of one ends: in no suffix of a program or a document."""
EXAMPLES = (".env.example", ".env.sample", "env.example", ".env.template", ".env.dist")


def is_example(path: PurePosixPath) -> bool:
    """Return whether a file is one that a file of variables is made from, of whatever name."""
    words = re.split(r"[._-]", path.name.lower())
    is_of_variables = "env" in words and words[-1] in _LAST
    return is_of_variables and not _KINDS.isdisjoint(words)


def examples_in(tree: Tree, folder: PurePosixPath) -> list[PurePosixPath]:
    """Return the env examples that stand in a folder, of whatever usual name."""
    return [folder / name for name in EXAMPLES if tree.read(folder / name) is not None]


def example_of(tree: Tree, file: PurePosixPath) -> PurePosixPath:
    """Return the example that a file of variables is made from, there or not."""
    own = file.with_name(f"{file.name}.example")
    if tree.read(own) is not None or not file.name.startswith(".env"):
        return own
    return next(iter(examples_in(tree, file.parent)), file.with_name(EXAMPLES[0]))


def said_in(tree: Tree, file: PurePosixPath) -> list[PurePosixPath]:
    """Return a file that compose reads variables from, and the examples that it is made from."""
    return [file, file.with_name(f"{file.name}.example"), *examples_in(tree, file.parent)]
