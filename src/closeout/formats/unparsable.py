"""Say which files of a format do not parse: whoever reads them would find nothing there.

A rule names those that it reads (`Rule.reads`), and the engine blocks it by what these return.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.fs.once import once
from closeout.fs.prefilter import is_record
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import syntax, typescript

_YAML = frozenset({".yml", ".yaml"})


@once
def compose_files(tree: Tree) -> tuple[Unresolved, ...]:
    """Return the compose files that do not parse, with the line."""
    return among(tree, (path for path in tree.ending(_YAML) if compose.may_be_compose(path)))


@once
def chart_values(tree: Tree) -> tuple[Unresolved, ...]:
    """Return the values of charts that do not parse, with the line."""
    return among(tree, (path for path in tree.ending(_YAML) if path.name.startswith("values")))


def among(tree: Tree, paths: Iterable[PurePosixPath]) -> tuple[Unresolved, ...]:
    """Return those of `paths` that do not parse as what their suffix says."""
    return tuple(
        Unresolved(
            path=path,
            reason=Reason.UNPARSABLE,
            detail=trouble.message,
            line=trouble.line,
        )
        for path in paths
        if (content := tree.read(path)) is not None
        and not is_record(content)
        and (trouble := syntax.trouble(path, content))
    )


def scripts(tree: Tree, paths: Iterable[PurePosixPath]) -> tuple[Unresolved, ...]:
    """Return those of `paths`, TypeScript or JavaScript, that are too large or nest too deeply."""
    return tuple(
        Unresolved(path=path, reason=Reason.UNPARSABLE, detail=told)
        for path in paths
        if (told := typescript.refusal(tree.read(path) or b""))
    )
