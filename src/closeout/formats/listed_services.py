"""Hold a tree against the Python services that the order lists: which it has, and which not."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from closeout.formats.declarations import is_declared_own
from closeout.model import Reason, Tree, Unresolved

_PYTHON = frozenset({".py"})


def is_orders_own(tree: Tree, named: Collection[PurePosixPath]) -> bool:
    """Return whether a tree is the one that the order is about: it has most of what it names.

    What closeout.toml says goes before.
    """
    said = is_declared_own(tree)
    if said is not None:
        return said
    present = {path.parent.parent.name for path in tree.ending(_PYTHON)}
    held = sum(path.parent.parent.name in present for path in named)
    return 2 * held > len(named)


def missing_services(tree: Tree, named: Collection[PurePosixPath]) -> tuple[Unresolved, ...]:
    """Return the main modules of `named` whose service stands nowhere in the tree of the order."""
    present = {path.parent.parent.name for path in tree.ending(_PYTHON)}
    if not is_orders_own(tree, named):
        return ()
    return tuple(
        Unresolved(
            path=path,
            reason=Reason.MISSING,
            detail="the order lists this service, and it is not in the tree",
            hint="name the monorepo that holds it: --root DIR, or waive the criterion.",
        )
        for path in named
        if path.parent.parent.name not in present
    )
