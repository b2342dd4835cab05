"""Hold a tree's closeout.toml against the gaps that there are, before a command goes by it."""

from __future__ import annotations

from closeout.console.nearest import nearest
from closeout.formats.declarations import asked_gaps, declarations, unusable
from closeout.gaps import GAPS
from closeout.harness import service_discovery
from closeout.model import Tree


def assert_declared(tree: Tree) -> None:
    """Raise CloseoutError for a closeout.toml that cannot be used.

    Its schema refuses it, or it asks for a gap or a service that there is not.
    """
    if declarations(tree).get("service"):
        service_discovery.roster(tree)
    known = [gap.slug for gap in GAPS]
    for slug in sorted((asked_gaps(tree) or frozenset()) - set(known)):
        near = nearest(slug, known)
        raise unusable(f"there is no gap {slug!r}; the nearest one is {near!r}")
