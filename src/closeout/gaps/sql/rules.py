"""Every rule: those that one model's text answers, and those about what stands around models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.gaps.sql import figures, foreign, packages, profiles, queries
from closeout.gaps.sql.places import Place
from closeout.gaps.sql.project import Project
from closeout.gaps.sql.source import Rule, Source
from closeout.model import Tree
from closeout.parsing import jinja

Found = Iterator[tuple[PurePosixPath, Place]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRule:
    """One kind of defect in a project's other files and the criterion it keeps open."""

    id: str
    criterion: str
    locate: Callable[[Tree, Project], Found]


def _parentheses(source: Source) -> Iterator[Place]:
    for lone in source.imbalances:
        mend: tuple[Splice, ...] = ()
        if lone.insert_at is not None:
            mend = (Splice(start=lone.insert_at, end=lone.insert_at, text=lone.missing.value),)
        yield Place(
            offset=lone.offset,
            message=f"the parenthesis lacks its {lone.missing.value!r}",
            mend=mend,
            advice="add or drop a parenthesis; more than one place is possible.",
        )


def _unclosed_jinja(tree: Tree, project: Project) -> Found:
    for path in project.scripts:
        for fault in jinja.faults(tree.read(path) or b""):
            yield (
                path,
                Place(
                    offset=fault.offset,
                    message=fault.message,
                    advice="close it by hand; more than one place is possible.",
                ),
            )


def _missing_macros(tree: Tree, project: Project) -> Found:
    for path in project.scripts:
        for place in packages.missing_macros(tree.read(path) or b"", project.packages):
            yield path, place


def _markers(tree: Tree, project: Project) -> Found:
    """Yield the markers that dbt refuses; a lone one without a statement does no harm."""
    for path in project.markers:
        content = tree.read(path) or b""
        lines = [line.strip() for line in content.splitlines()]
        if len(project.markers) == 1 and all(line[:1] in {b"", b"#"} for line in lines):
            continue
        told = "dbt reads this file as a Python model and finds no model in it"
        if len(project.markers) > 1:
            told = f"dbt finds {len(project.markers)} models with the name __init__"
        advice = f"delete {path} if nothing imports it."
        yield path, Place(offset=0, message=told, advice=advice)


def _declared_strategies(tree: Tree, project: Project) -> Found:
    if not project.is_for_postgres:
        return
    for path in project.properties:
        for place in foreign.declared_strategies(tree.read(path) or b"", project):
            yield path, place


def _profiles(tree: Tree, project: Project) -> Found:
    path = project.root / "profiles.yml"
    if path in project.properties and project.is_for_postgres:
        for place in profiles.refused_values(tree.read(path) or b""):
            yield path, place


RULES = (
    Rule(id="unbalanced-parenthesis", criterion="3.1", locate=_parentheses),
    Rule(id="unknown-function", criterion="3.3", locate=foreign.unknown_functions),
    Rule(id="unknown-clause", criterion="3.3", locate=foreign.unknown_clauses),
    Rule(id="unknown-strategy", criterion="3.3", locate=foreign.strategies),
    Rule(id="uneven-union", criterion="3.3", locate=queries.uneven_branches),
    Rule(id="lateral-alias", criterion="3.3", locate=queries.lateral_aliases),
    Rule(id="quoted-timestamp", criterion="3.3", locate=figures.quoted_calls),
    Rule(id="integer-division", criterion="3.3", locate=figures.integer_divisions),
    Rule(id="null-drops-count", criterion="3.3", locate=figures.lost_by_null),
)
"""Rules of PostgreSQL; a project whose target is another database is not judged by them."""

PROJECT_RULES = (
    ProjectRule(id="unclosed-jinja", criterion="3.2", locate=_unclosed_jinja),
    ProjectRule(id="missing-macro", criterion="3.2", locate=_missing_macros),
    ProjectRule(id="package-beside-models", criterion="3.2", locate=_markers),
    ProjectRule(id="declared-strategy", criterion="3.3", locate=_declared_strategies),
    ProjectRule(id="profile-value", criterion="3.2", locate=_profiles),
)
"""Rules of dbt itself, and of PostgreSQL in files that are no models."""
