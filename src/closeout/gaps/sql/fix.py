"""Mend each defect with one right answer, in place; the column names are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, line_number, splice
from closeout.fs.tree import Overlay
from closeout.gaps.sql.detect import AROUND_MODELS, IN_MODELS
from closeout.gaps.sql.places import Defect, column
from closeout.gaps.sql.project import BESIDE, Project, beside, projects
from closeout.gaps.sql.source import read
from closeout.model import Changeset, Edit, Reason, Tree, Unresolved
from closeout.parsing.sql import UnreadableSqlError, imbalances

_ROUNDS = 12
"""One mend can stand inside another, such as a sum inside a DATEDIFF; each round does one layer."""


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset a file that has something to mend or to report."""
    return tuple(
        changeset
        for project in projects(tree)
        for path, around in _files(tree, project).items()
        if (changeset := _changeset(tree, path, project, around)) is not None
    )


def _files(tree: Tree, project: Project) -> dict[PurePosixPath, list[Defect]]:
    """Return the queries, then the other files that have places, with what stands around."""
    found: dict[PurePosixPath, list[Defect]] = {path: [] for path in project.queries}
    for _, _, find in AROUND_MODELS:
        for path, place in find(tree, project):
            found.setdefault(path, []).append(place)
    return found


def _changeset(
    tree: Tree, path: PurePosixPath, project: Project, around: list[Defect]
) -> Changeset | None:
    before = tree.read(path)
    if before is None:
        return None
    if any(place.removes for place in around):
        edit = Edit(path=path, before=before, after=b"", mode=tree.mode(path), removes=True)
        return Changeset(name=_name(path, project), edits=(edit,))
    after, around = _mended_around(tree, path, project, around)
    left = [_left(path, after, place) for place in around]
    try:
        for _ in range(_ROUNDS if path in project.queries and project.is_for_postgres else 0):
            source = read(path, after, project)
            places = [place for _, _, find in IN_MODELS for place in find(source)]
            chosen = _apart([place.mend for place in places if place.mend])
            if not chosen:
                said = f" {BESIDE}" if path in beside(tree, project) else ""
                left += [_left(path, after, place, said) for place in places if not place.mend]
                break
            told = [place for place in places if place.told and {*place.mend} <= {*chosen}]
            left += [_left(path, after, replace(place, message=place.told)) for place in told]
            after = splice(after, chosen)
        if path in project.queries and before != after and imbalances(after):
            # What does not parse is never edited, not even where the rest could be mended.
            after = before
    except UnreadableSqlError:
        return None
    edits = (Edit.of(tree, path, after),) if before != after else ()
    if not edits and not left:
        return None
    return Changeset(
        name=_name(path, project),
        edits=edits,
        unresolved=tuple(left),
    )


def _mended_around(
    tree: Tree, path: PurePosixPath, project: Project, around: list[Defect]
) -> tuple[bytes, list[Defect]]:
    """Return the file with what stands around models mended, and the places that are left."""
    content = tree.read(path) or b""
    for _ in range(_ROUNDS):
        chosen = _apart([place.mend for place in around if place.mend])
        if not chosen:
            break
        content = splice(content, chosen)
        laid = Overlay(tree, [Edit(path=path, before=tree.read(path), after=content)])
        found = (place for _, _, find in AROUND_MODELS for place in find(laid, project))
        around = [place for where, place in found if where == path]
    return content, around


def _name(path: PurePosixPath, project: Project) -> str:
    if path in project.queries:
        return path.stem.replace("_", "-")
    return f"{path.parent.name}-{path.stem.strip('_')}".replace("_", "-").replace(".", "-")


def _apart(mends: Sequence[tuple[Splice, ...]]) -> list[Splice]:
    """Return the splices of the smallest mends that do not reach into one another."""
    chosen: list[tuple[int, int]] = []
    splices: list[Splice] = []
    for mend in sorted(mends, key=lambda mend: (mend[-1].end - mend[0].start, mend[0].start)):
        start, end = mend[0].start, mend[-1].end
        if all(end <= other[0] or other[1] <= start for other in chosen):
            chosen.append((start, end))
            splices += mend
    return splices


def _left(path: PurePosixPath, content: bytes, place: Defect, said: str = "") -> Unresolved:
    return Unresolved(
        path=path,
        reason=Reason.AMBIGUOUS,
        line=line_number(content, place.offset),
        detail=f"column {column(content, place.offset)}: {place.message}",
        hint=f"{place.advice}{said}",
    )
