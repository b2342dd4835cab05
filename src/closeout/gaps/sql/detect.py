"""Find what dbt or PostgreSQL would refuse or get wrong: in one model's text, and around models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.fs.tree import below
from closeout.gaps.sql import (
    aliases,
    figures,
    foreign,
    losses,
    packages,
    profiles,
    strategies,
)
from closeout.gaps.sql.columns import QueryReading
from closeout.gaps.sql.places import Defect
from closeout.gaps.sql.project import Project
from closeout.gaps.sql.source import ModelSource, read
from closeout.model import Tree
from closeout.parsing import jinja
from closeout.parsing.sql import UnreadableSqlError

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


def _uneven_branches(source: ModelSource) -> Iterator[Defect]:
    """Yield the branches of a UNION that give another number of columns than an earlier one."""
    if not any(token.text.upper() in {"UNION", "INTERSECT", "EXCEPT"} for token in source.tokens):
        return
    alternatives = jinja.alternatives(source.content)
    reading = QueryReading(source.project.columns, source.content, source.tokens)
    for query in source.queries:
        earlier: list[tuple[int, Mapping[int, int]]] = []
        for branch in query.branches:
            width = reading.width(branch)
            if branch is None or width is None:
                continue
            offset = source.tokens[branch.first].start
            here = {
                number: index
                for number, branches in enumerate(alternatives)
                for index, each in enumerate(branches)
                if each.start <= offset < each.end
            }
            other = next((wide for wide, there in earlier if _together(here, there)), width)
            if other != width:
                yield Defect(
                    offset=offset,
                    message=f"this branch gives {width} columns, an earlier one {other}",
                    advice="name the same columns in every branch, in the same order.",
                )
            earlier.append((width, here))


def _together(one: Mapping[int, int], other: Mapping[int, int]) -> bool:
    """Tell whether no `if`, by its number, chooses between the two."""
    return all(one.get(number, index) == index for number, index in other.items())


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
    """Yield the markers that dbt refuses; a lone one without a statement does no harm.

    One that says nothing goes, where no Python of the project imports its models' folder.
    """
    imported = project.markers and _imports_models(tree, project)
    for path in project.markers:
        content = tree.read(path) or b""
        says_nothing = all(line.strip()[:1] in {b"", b"#"} for line in content.splitlines())
        if len(project.markers) == 1 and says_nothing:
            continue
        told = "dbt reads this file as a Python model and finds no model in it"
        if len(project.markers) > 1:
            told = f"dbt finds {len(project.markers)} models with the name __init__"
        yield (
            path,
            Defect(
                offset=0,
                message=told,
                removes=says_nothing and not imported,
                advice=f"delete {path} if nothing imports it.",
            ),
        )


def _imports_models(tree: Tree, project: Project) -> bool:
    """Tell whether a Python file of the project imports something from a marked folder."""
    names = {path.relative_to(project.root).parts[0].encode() for path in project.markers}
    pattern = re.compile(rb"(?m)^\s*(?:from|import)\s+[\w.]*\b(?:%s)\b" % b"|".join(sorted(names)))
    return any(
        pattern.search(tree.read(path) or b"")
        for path in below(tree, project.root)
        if path.suffix == ".py"
    )


def _quoted_in_macros(tree: Tree, project: Project) -> Found:
    """Yield the quoted calls of files that are no query: what a macro writes into one."""
    for path in project.scripts if project.is_for_postgres else ():
        content = tree.read(path) or b""
        if path in project.queries or b"'{{" not in content.replace(b" ", b""):
            continue
        try:
            source = read(path, content, project)
        except UnreadableSqlError:
            continue  # a macro need not be SQL; what it writes is judged once dbt compiled it
        for defect in figures.quoted_calls(source):
            yield path, defect


def _declared_strategies(tree: Tree, project: Project) -> Found:
    if not project.is_for_postgres:
        return
    for path in project.properties:
        for place in strategies.declared(tree.read(path) or b"", project):
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
    ("unknown-strategy", "3.3", strategies.unknown),
    ("uneven-union", "3.3", _uneven_branches),
    ("lateral-alias", "3.3", aliases.lateral),
    ("quoted-timestamp", "3.3", figures.quoted_calls),
    ("integer-division", "3.3", figures.integer_divisions),
    ("division-by-zero", "3.3", figures.divisions_by_zero),
    ("null-drops-count", "3.3", losses.lost_by_null),
)
"""What PostgreSQL minds; a project whose target is another database is not judged by it."""

AROUND_MODELS: tuple[tuple[str, str, Callable[[Tree, Project], Found]], ...] = (
    ("unclosed-jinja", "3.2", _unclosed_jinja),
    ("missing-macro", "3.2", _missing_macros),
    ("package-beside-models", "3.2", _markers),
    ("quoted-in-macro", "3.3", _quoted_in_macros),
    ("declared-strategy", "3.3", _declared_strategies),
    ("profile-value", "3.2", _profiles),
)
"""What dbt itself minds, and PostgreSQL in files that are no models."""
