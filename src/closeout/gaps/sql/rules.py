"""SQL that dbt compiles and PostgreSQL runs: the rules of 3.1 to 3.3 over every dbt project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.formats import unparsable
from closeout.fs.text_edit import line_end, line_number, line_start
from closeout.gaps.sql.detect import AROUND_MODELS, IN_MODELS, Found
from closeout.gaps.sql.places import Defect, column
from closeout.gaps.sql.project import (
    BESIDE,
    NAMED,
    Project,
    beside,
    has_projects,
    projects,
)
from closeout.gaps.sql.source import ModelSource, read
from closeout.model import Located, Place, Reason, Rule, Subject, Tree, Unresolved
from closeout.parsing.sql import UnreadableSqlError

_LONGEST = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The tree's dbt projects, and their queries for PostgreSQL."""

    tree: Tree
    projects: tuple[Project, ...]
    models: Mapping[PurePosixPath, ModelSource]
    unresolved: tuple[Unresolved, ...]
    beside: frozenset[PurePosixPath]
    """The models that the order's own does not build on."""


def survey(tree: Tree) -> Survey:
    """Return every dbt project of the tree with its queries for PostgreSQL, cut into tokens."""
    found = projects(tree)
    models: dict[PurePosixPath, ModelSource] = {}
    settings = {path for project in found for path in project.properties}
    unresolved = [*unparsable.among(tree, sorted(settings))]
    for project in found:
        for path in project.queries if project.is_for_postgres else ():
            try:
                models[path] = read(path, tree.read(path) or b"", project)
            except UnreadableSqlError as error:
                lost = Unresolved(
                    path=path,
                    reason=Reason.UNPARSABLE,
                    detail=" ".join(str(error).split())[:_LONGEST],
                    hint="close the open string or comment, then run the command again.",
                )
                unresolved.append(lost)
    return Survey(
        tree=tree,
        projects=found,
        models=models,
        unresolved=tuple(unresolved),
        beside=frozenset(path for project in found for path in beside(tree, project)),
    )


def _in_models(find: Callable[[ModelSource], Iterator[Defect]], seen: Survey) -> Located:
    return Located(
        examined=tuple(seen.models),
        places=tuple(
            _place(path, source.content, defect, is_beside=path in seen.beside)
            for path, source in seen.models.items()
            for defect in find(source)
        ),
        unresolved=seen.unresolved,
    )


def _around_models(find: Callable[[Tree, Project], Found], seen: Survey) -> Located:
    return Located(
        examined=tuple(path for project in seen.projects for path in project.models),
        places=tuple(
            _place(path, seen.tree.read(path) or b"", defect)
            for project in seen.projects
            for path, defect in find(seen.tree, project)
        ),
        unresolved=seen.unresolved,
    )


def _place(
    path: PurePosixPath, content: bytes, defect: Defect, *, is_beside: bool = False
) -> Place:
    """Return a defect's place; what nobody but a person can mend is no criterion's elsewhere."""
    text = content[line_start(content, defect.offset) : line_end(content, defect.offset)]
    is_beside = is_beside and not defect.has_mend
    beside = f" {BESIDE}" if is_beside else ""
    advice = "" if defect.has_mend else f"; {defect.advice}{beside}"
    return Place(
        path=path,
        line=line_number(content, defect.offset),
        message=f"column {column(content, defect.offset)}: {defect.message}{advice}",
        excerpt=text.decode("utf-8", "replace").strip()[:_LONGEST],
        is_beside=is_beside,
    )


SUBJECTS = (Subject(what="dbt project", criteria=("3.1", "3.2", "3.3", "M.3"), is_in=has_projects),)

RULES = (
    *(
        Rule(id=name, criterion=criterion, locate=partial(_in_models, find), named=(NAMED,))
        for name, criterion, find in IN_MODELS
    ),
    *(
        Rule(id=name, criterion=criterion, locate=partial(_around_models, find), named=(NAMED,))
        for name, criterion, find in AROUND_MODELS
    ),
)
