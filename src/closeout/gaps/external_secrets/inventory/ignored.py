"""Tell which files of a tree its own .gitignore keeps out of the repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import PurePosixPath

from closeout.model import Tree


def ignoring(tree: Tree) -> Callable[[PurePosixPath], bool]:
    """Return whether git would leave a path out, as the tree's .gitignore files say.

    Blanks before a comment and escaped characters are not read: nobody names secrets with them.
    """

    @cache
    def rules(folder: PurePosixPath) -> tuple[tuple[re.Pattern[str], bool], ...]:
        text = (tree.read(folder / ".gitignore") or b"").decode("utf-8", "replace")
        lines = (line.strip() for line in text.splitlines())
        return tuple(_rule(line) for line in lines if line and not line.startswith("#"))

    @cache
    def is_ignored(path: PurePosixPath) -> bool:
        verdict = path != path.parent and is_ignored(path.parent)
        parts = path.parts
        for depth, folder in enumerate(reversed(path.parents)):
            below = "/".join(parts[depth:]) if rules(folder) else ""
            for pattern, kept in rules(folder):
                if pattern.fullmatch(below):
                    verdict = not kept
        return verdict

    return is_ignored


def _rule(line: str) -> tuple[re.Pattern[str], bool]:
    """Return a line's pattern, and whether what it matches is kept after all."""
    kept = line.startswith("!")
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
    return re.compile(anywhere + written), kept
