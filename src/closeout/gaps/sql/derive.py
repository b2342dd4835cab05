"""Mend the models: each defect with one right answer, in place, the column names kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from closeout.anchors.sql import UnreadableSqlError
from closeout.gaps.sql.project import Project, projects
from closeout.gaps.sql.rules import RULES, Place, read
from closeout.model import Changeset, Edit, Reason, Unresolved
from closeout.splicing import Splice, line_number, splice
from closeout.tree import Tree

_ROUNDS = 12
"""One mend can stand inside another, such as a sum inside a DATEDIFF; each round does one layer."""


def derive(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset a model that has something to mend or to report."""
    made = [
        changeset
        for project in projects(tree)
        for path in project.models
        if (changeset := _changeset(tree, path, project)) is not None
    ]
    packages = [_package(path) for project in projects(tree) for path in project.packages]
    return (*made, *packages)


def _changeset(tree: Tree, path: PurePosixPath, project: Project) -> Changeset | None:
    before = tree.read(path)
    if before is None:
        return None
    after = before
    left: tuple[Place, ...] = ()
    try:
        for _ in range(_ROUNDS):
            places = _places(after, project)
            left = tuple(place for place in places if not place.mend)
            chosen = _apart([place.mend for place in places if place.mend])
            if not chosen:
                break
            after = splice(after, chosen)
    except UnreadableSqlError:
        return None
    edits: tuple[Edit, ...] = ()
    if before != after:
        edits = (Edit(path=path, before=before, after=after, mode=tree.mode(path)),)
    if not edits and not left:
        return None
    return Changeset(
        name=path.stem.replace("_", "-"),
        edits=edits,
        unresolved=tuple(_left(path, after, place) for place in left),
    )


def _places(content: bytes, project: Project) -> list[Place]:
    source = read(content, project)
    return [place for rule in RULES for place in rule.locate(source)]


def _apart(mends: Sequence[tuple[Splice, ...]]) -> list[Splice]:
    """Return the splices of the smallest mends that do not reach into one another."""
    chosen: list[tuple[int, int]] = []
    splices: list[Splice] = []
    for mend in sorted(mends, key=_width):
        start, end = mend[0].start, mend[-1].end
        if all(end <= other[0] or other[1] <= start for other in chosen):
            chosen.append((start, end))
            splices += mend
    return splices


def _width(mend: tuple[Splice, ...]) -> tuple[int, int]:
    return mend[-1].end - mend[0].start, mend[0].start


def _left(path: PurePosixPath, content: bytes, place: Place) -> Unresolved:
    return Unresolved(
        path=path,
        reason=Reason.AMBIGUOUS,
        line=line_number(content, place.offset),
        detail=place.message,
        hint=place.advice,
    )


def _package(path: PurePosixPath) -> Changeset:
    refused = Unresolved(
        path=path,
        reason=Reason.AMBIGUOUS,
        detail="a Python package marker stands among the models; dbt refuses to parse it",
        hint=f"delete {path} if nothing imports it.",
    )
    return Changeset(
        name=f"package-in-{path.parent.name}".replace("_", "-"), edits=(), unresolved=(refused,)
    )
