"""`invoke detect.all`, and the reading that every command begins with."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from closeout.cli.declared import assert_declared
from closeout.console import progress
from closeout.console.layout import counted
from closeout.console.nearest import unknown
from closeout.console.output import Detail, detail, give, say, sum_up
from closeout.engine import planner, rules
from closeout.engine.unread import unjudged
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import cache, codec, recovery
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.model import Check, Gap, Reason, Tree, Unresolved
from closeout.reporting import places, report, terminal
from closeout.runs.workspace import Workspace, choose


def select(only: str) -> tuple[Gap, ...]:
    """Return the gaps that a comma list of slugs names, all for an empty one, in order.

    Raises CloseoutError("gap-unknown").
    """
    asked = {slug.strip() for slug in only.split(",") if slug.strip()}
    known = {gap.slug for gap in GAPS}
    if strange := sorted(asked - known):
        raise unknown("gap", strange[0], known, f"name some of {', '.join(sorted(known))}.")
    return tuple(gap for gap in GAPS if not asked or gap.slug in asked)


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Find what is open in the given files of the chosen monorepo, or in all of it."""
    space = choose(home, options.root)
    inside = [Path(name).absolute() for name in options.files]
    return detect(
        space,
        GAPS,
        frozenset(
            PurePosixPath(path.relative_to(space.root))
            for path in inside
            if path.is_relative_to(space.root)
        ),
    )


def detect(
    space: Workspace, gaps: Sequence[Gap], files: frozenset[PurePosixPath] = frozenset()
) -> ExitCode:
    """Print every open place, of some files where any are given.

    Nothing is written but what the next run may recall.
    """
    space.announce()
    tree = readable(space)
    found = detection(gaps, tree)
    tree.keep()
    refused = _refused(found, tree)
    if files:
        found = {slug: tuple(_of(check, files) for check in made) for slug, made in found.items()}
        refused = {
            slug: [item for item in items if item.path in files or item.reason.stops_gap]
            for slug, items in refused.items()
        }
    items = tuple(dict.fromkeys(item for each in refused.values() for item in each))
    _tell(space, gaps, found, refused)
    open_now = tuple(place for made in found.values() for place in rules.findings(made))
    give("places", codec.plain([report.shortened(place) for place in open_now]))
    give("not_judged", codec.plain(items))
    if any(item.reason is Reason.OURS for item in items):
        return ExitCode.OWN_BUG
    return ExitCode.GAPS_LEFT if open_now or items else ExitCode.SETTLED


def _of(check: Check, files: frozenset[PurePosixPath]) -> Check:
    findings = tuple(item for item in check.findings if item.path in files)
    return replace(check, findings=findings)


def _refused(found: rules.Detection, tree: Tree) -> dict[str, Sequence[Unresolved]]:
    """Return what cannot be judged, by gap; empty for what no detector has got to see."""
    checks = [check for made in found.values() for check in made]
    return {
        **{
            slug: [item for check in made for item in check.unresolved]
            for slug, made in found.items()
        },
        "": unjudged(checks, tree.unreadable()),
    }


def _tell(
    space: Workspace,
    gaps: Sequence[Gap],
    found: rules.Detection,
    refused: Mapping[str, Sequence[Unresolved]],
) -> None:
    whole = detail() is Detail.VERBOSE
    groups = [places.Group(gap=gap, findings=rules.findings(found[gap.slug])) for gap in gaps]
    standing = [group for group in groups if group.findings]
    unjudged = len({item for items in refused.values() for item in items})
    total = sum(len(rules.spots(group.findings)) for group in standing)
    files = {item.path for group in standing for item in group.findings}
    say(
        f"{counted(len(standing), 'gap')} of {len(gaps)} with {counted(total, 'place')} open "
        f"in {counted(len(files), 'file')}; {unjudged} not judged"
    )
    for group in standing:
        say("\n".join(["", *places.told(group, whole=whole)]))
    if unjudged:
        say("\n".join(["", "not judged:", *places.left_alone(refused, whole=whole)]))
    if standing:
        some = ",".join(group.gap.slug for group in standing)
        fix = "invoke fix.all" if len(gaps) == len(GAPS) else f"invoke fix.all --only {some}"
        say(f"\nleft open, and what mends it:\n  {terminal.runnable(fix, space.told_root)}")
    say()
    sum_up(f"{counted(total, 'place')} open, {unjudged} not judged")


def readable(space: Workspace) -> DiskTree:
    """Return the workspace's tree.

    Raises CloseoutError where it is half-written, which nobody should judge, where not one file
    can be read, and where its closeout.toml cannot be used.
    """
    recovery.assert_whole(space.root)
    tree = DiskTree(space.root, cache.place_of(space.root))
    assert_declared(tree)
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
    return rules.told_once(gaps, {gap.slug: found[gap.slug] for gap in gaps})
