"""Find what dbt or PostgreSQL would refuse or get wrong: in one model's text, and around models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.gaps.sql import figures, foreign, packages, profiles, queries
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.project import Project
from closeout.gaps.sql.source import ModelSource
from closeout.model import Tree
from closeout.parsing import jinja

Found = Iterator[tuple[PurePosixPath, Defect]]


def _parentheses(source: ModelSource) -> Iterator[Defect]:
    for lone in source.imbalances:
        mend: tuple[Splice, ...] = ()
        if lone.insert_at is not None:
            mend = (Splice(start=lone.insert_at, end=lone.insert_at, text=lone.missing.value),)
        yield Defect(
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
                Defect(
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
        yield path, Defect(offset=0, message=told, advice=advice)


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


IN_MODELS: tuple[tuple[str, str, Callable[[ModelSource], Iterator[Defect]]], ...] = (
    ("unbalanced-parenthesis", "3.1", _parentheses),
    ("unknown-function", "3.3", foreign.unknown_functions),
    ("unknown-clause", "3.3", foreign.unknown_clauses),
    ("unknown-strategy", "3.3", foreign.strategies),
    ("uneven-union", "3.3", queries.uneven_branches),
    ("lateral-alias", "3.3", queries.lateral_aliases),
    ("quoted-timestamp", "3.3", figures.quoted_calls),
    ("integer-division", "3.3", figures.integer_divisions),
    ("null-drops-count", "3.3", figures.lost_by_null),
)
"""What PostgreSQL minds; a project whose target is another database is not judged by it."""

AROUND_MODELS: tuple[tuple[str, str, Callable[[Tree, Project], Found]], ...] = (
    ("unclosed-jinja", "3.2", _unclosed_jinja),
    ("missing-macro", "3.2", _missing_macros),
    ("package-beside-models", "3.2", _markers),
    ("declared-strategy", "3.3", _declared_strategies),
    ("profile-value", "3.2", _profiles),
)
"""What dbt itself minds, and PostgreSQL in files that are no models."""
