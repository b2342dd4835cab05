"""Tell which files of a tree its own .gitignore keeps out of the repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import groupby
from pathlib import PurePosixPath

from closeout.model import Tree

_Rule = tuple[re.Pattern[str], bool]
"""A pattern of lines in a row, and whether what it matches is kept after all."""
_Rules = tuple[int, tuple[_Rule, ...]]
"""How deep a folder stands, and its rules."""


def ignoring(tree: Tree) -> Callable[[PurePosixPath], bool]:
    """Return whether git would leave a path out, as the tree's .gitignore files say.

    Blanks before a comment and escaped characters are not read: nobody names secrets with them.
    """

    @cache
    def rules(folder: PurePosixPath) -> tuple[_Rule, ...]:
        return _read(tree.read(folder / ".gitignore") or b"")

    @cache
    def around(folder: PurePosixPath) -> tuple[_Rules, ...]:
        """Return the rules of a folder and of those around it that have any, outermost first."""
        outer = around(folder.parent) if folder.parts else ()
        own = rules(folder)
        return (*outer, (len(folder.parts), own)) if own else outer

    @cache
    def is_ignored(path: PurePosixPath) -> bool:
        parts = path.parts
        if not parts:
            return False
        verdict = is_ignored(path.parent)
        for depth, held in around(path.parent):
            below = "/".join(parts[depth:])
            for pattern, kept in held:
                if pattern.fullmatch(below):
                    verdict = not kept
        return verdict

    return is_ignored


@lru_cache(maxsize=256)
def _read(content: bytes) -> tuple[_Rule, ...]:
    """Return a file's rules: the last one that matches counts, so lines in a row are one."""
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    said = (line for line in lines if line and not line.startswith("#"))
    return tuple(
        (re.compile("|".join(map(_pattern, alike))), kept)
        for kept, alike in groupby(said, key=lambda line: line.startswith("!"))
    )


def _pattern(line: str) -> str:
    glob = line.removeprefix("!").rstrip("/")
    anywhere = "" if "/" in glob else "(?:.*/)?"
    written = re.escape(glob.lstrip("/"))
    for sign, meaning in (
        (r"\*\*/", "(?:.*/)?"),
        (r"/\*\*", "/.*"),
        (r"\*", "[^/]*"),
        (r"\?", "[^/]"),
    ):
        written = written.replace(sign, meaning)
    return anywhere + written
