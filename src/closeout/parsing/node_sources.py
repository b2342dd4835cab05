"""Tell the sources of Node services from their tests and builds, and what variables they read."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.fs.prefilter import question
from closeout.model import Tree

SUFFIXES = (".ts", ".js", ".mts", ".cts", ".mjs", ".cjs")
LEFT_OUT = frozenset({"dist", "build", "tests", "test", "__tests__", "__mocks__", "e2e"})
"""Folders that hold no code a service runs."""

_MENTION = b"process.env"
_NO_SOURCE = (".d", ".test", ".spec", ".min")


def is_source(path: PurePosixPath) -> bool:
    """Return whether `path` is TypeScript or JavaScript that runs in a service."""
    return (
        path.suffix in SUFFIXES
        and not path.stem.endswith(_NO_SOURCE)
        and LEFT_OUT.isdisjoint(path.parts)
    )


READS_ENVIRONMENT = question(SUFFIXES, lambda content: _MENTION in content, is_source)
"""Which sources may read a variable."""


def readers(
    tree: Tree, services: frozenset[PurePosixPath], variable: str
) -> frozenset[PurePosixPath]:
    """Return those of the folders `services` whose code reads `variable` from its environment."""
    read = re.compile(rb"process\.env(?:\.|\[['\"])" + re.escape(variable).encode() + rb"\b")
    found: set[PurePosixPath] = set()
    for path in tree.candidates(READS_ENVIRONMENT) if services else ():
        if read.search(tree.read(path) or b""):
            found |= services.intersection(path.parents)
    return frozenset(found)
