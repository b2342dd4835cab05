"""`invoke detect.all`, and the reading that every command begins with."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from closeout.console import progress
from closeout.console.output import give, say
from closeout.engine import evaluate, planner, rules
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import cache, codec, recovery
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.model import Gap, Reason, Tree
from closeout.reporting import report
from closeout.runs.workspace import Workspace


def select(only: str) -> tuple[Gap, ...]:
    """Return the gaps that a comma list of slugs names, all for an empty one, in order.

    Raises CloseoutError("gap-unknown").
    """
    asked = {slug.strip() for slug in only.split(",") if slug.strip()}
    known = {gap.slug for gap in GAPS}
    if asked - known:
        raise CloseoutError(
            "gap-unknown",
            f"there is no gap {', '.join(sorted(asked - known))}.",
            hint=f"name some of {', '.join(gap.slug for gap in GAPS)}.",
        )
    return tuple(gap for gap in GAPS if not asked or gap.slug in asked)


def detect(space: Workspace, gaps: Sequence[Gap]) -> ExitCode:
    """Print every open place; nothing is written but what the next run may recall."""
    space.announce()
    tree = readable(space)
    found = detection(gaps, tree)
    tree.keep()
    places = [place for checks in found.values() for place in rules.findings(checks)]
    for place in places:
        told = "named" if place.named else "unnamed"
        say(f"{place.path}:{place.line}: {place.criterion} {place.rule} ({told}) {place.message}")
    checks = [check for made in found.values() for check in made]
    unjudged = evaluate.unjudged(checks, tree.unreadable())
    refused = dict.fromkeys((*(item for check in checks for item in check.unresolved), *unjudged))
    for item in refused:
        say(f"{item.path}:{item.line}: not judged, {item.reason.value}: {item.detail}")
    say(f"{len(places)} open, {len(refused)} not judged")
    give("places", codec.plain([report.shortened(place) for place in places]))
    give("not_judged", codec.plain(tuple(refused)))
    if any(item.reason is Reason.OURS for item in refused):
        return ExitCode.OWN_BUG
    return ExitCode.GAPS_LEFT if places or refused else ExitCode.SETTLED


def readable(space: Workspace) -> DiskTree:
    """Return the workspace's tree.

    Raises CloseoutError where it is half-written, which nobody should judge, and where not one
    file can be read.
    """
    recovery.assert_whole(space.root)
    tree = DiskTree(space.root, cache.place_of(space.root))
    if not any(tree.read(path) is not None for path in tree.paths()):
        refused = tree.unreadable()
        raise CloseoutError(
            "root-unreadable",
            f"none of {space.root}'s files can be read; {refused[0].path}: {refused[0].detail}.",
            hint="make the files readable, then run the command again.",
        )
    return tree


def detection(
    gaps: Sequence[Gap], tree: Tree, known: rules.Detection = MappingProxyType({})
) -> rules.Detection:
    """Return what the gaps find on `tree`, and say which one is looking; `known` is about it."""
    found = dict(known)
    for gap in gaps:
        if gap.slug not in known:
            progress.step(f"detecting {gap.slug}")
            found |= planner.detect((gap,), tree)
    return {gap.slug: found[gap.slug] for gap in gaps}
