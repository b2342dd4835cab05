"""Read .dockerignore files: what of a build context an image never gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePosixPath

from closeout.fs.text_edit import line_ending
from closeout.model import Edit, Tree

_ANY = "**"


def _reached(pattern: Sequence[str], path: Sequence[str]) -> list[set[int]]:
    """Return how far into the pattern one may be, before the path and after each of its parts."""
    found = [set(_skipped(pattern, {0}))]
    for name in path:
        after = set()
        for at in found[-1]:
            if at < len(pattern) and pattern[at] == _ANY:
                after.add(at)
            elif at < len(pattern) and fnmatchcase(name, pattern[at]):
                after.add(at + 1)
        found.append(set(_skipped(pattern, after)))
    return found


def _skipped(pattern: Sequence[str], places: set[int]) -> Iterator[int]:
    for start in places:
        yield start
        free = takewhile(lambda at: pattern[at] == _ANY, range(start, len(pattern)))
        yield from (at + 1 for at in free)


def admitting(
    tree: Tree, recipe: PurePosixPath, context: PurePosixPath, path: PurePosixPath
) -> Edit | None:
    """Return the edit that lets a file into the context of an image; None where it is in."""
    own = recipe.with_name(f"{recipe.name}.dockerignore")
    file = own if tree.read(own) is not None else context / ".dockerignore"
    content = tree.read(file)
    inner = path.relative_to(context)
    if content is None or not _is_left_out(content, inner):
        return None
    ending = line_ending(content, len(content)) if content else b"\n"
    start = b"" if not content or content.endswith(b"\n") else ending
    line = f"!{inner}".encode()
    return Edit.of(tree, file, content + start + line + ending)


def _is_left_out(content: bytes, inner: PurePosixPath) -> bool:
    """Return whether a build context leaves a file out: the last line about it decides."""
    verdict = False
    for pattern, is_exception in _rules(content):
        if any(len(pattern) in reached for reached in _reached(pattern, inner.parts)[1:]):
            verdict = not is_exception
    return verdict


@lru_cache(maxsize=256)
def _rules(content: bytes) -> tuple[tuple[tuple[str, ...], bool], ...]:
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return tuple(
        (PurePosixPath(line.removeprefix("!").strip().strip("/")).parts, line.startswith("!"))
        for line in lines
        if line and not line.startswith("#")
    )
