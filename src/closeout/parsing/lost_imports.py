"""Say where TypeScript imports a module of a fix that is gone: the service would not start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from closeout.fs.once import once
from closeout.fs.prefilter import holds, question
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source
from closeout.parsing.typescript_names import Names


def of(*modules: str) -> Callable[[Tree], tuple[Unresolved, ...]]:
    """Return what says which relative imports of these modules lead to no file.

    Make it where a module is loaded. Other imports may lead to files that a build makes.
    """
    signs = tuple(name.encode() for name in modules)
    naming = question(SUFFIXES, lambda content: holds(content, signs), is_source)

    @once
    def lost(tree: Tree) -> tuple[Unresolved, ...]:
        names = Names(tree)
        return tuple(
            Unresolved(
                path=path,
                reason=Reason.MISSING,
                line=item.place.line,
                detail=f"imports {item.source}, and no such file stands there",
                hint="restore that file from version control, or take the fix back by "
                "invoke fix.undo and fix again.",
            )
            for path in tree.candidates(naming)
            for item in typescript.read(tree.read(path) or b"").imports
            if item.source.startswith(".")
            and PurePosixPath(item.source).name.split(".")[0] in modules
            and names.target(path, item.source) is None
        )

    return lost
