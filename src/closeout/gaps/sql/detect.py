"""Find what dbt or PostgreSQL would refuse or get wrong in every dbt project."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.fs.text_edit import line_end, line_number, line_start
from closeout.gaps.sql.places import Place, column
from closeout.gaps.sql.project import Project, projects
from closeout.gaps.sql.rules import PROJECT_RULES, RULES, ProjectRule
from closeout.gaps.sql.source import Source, read
from closeout.model import Check, Finding, Reason, Tree, Unresolved
from closeout.parsing.sql import UnreadableSqlError

GAP_SLUG = "sql"
NAMED = PurePosixPath(
    "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql"
)
_EXCERPT = 160
_MENDED = "invoke fix.sql mends it."


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return one check a rule: over every model for PostgreSQL, and over what stands around."""
    found = projects(tree)
    sources: dict[PurePosixPath, Source] = {}
    unresolved: list[Unresolved] = []
    for project in found:
        for path in project.models if project.is_for_postgres else ():
            try:
                sources[path] = read(path, tree.read(path) or b"", project)
            except UnreadableSqlError as error:
                unresolved.append(unreadable(path, error))
    made = [
        Check(
            rule=rule.id,
            criterion=rule.criterion,
            examined=tuple(sources),
            findings=tuple(
                _finding(rule.id, rule.criterion, path, source.content, place)
                for path, source in sources.items()
                for place in rule.locate(source)
            ),
            unresolved=tuple(unresolved),
        )
        for rule in RULES
    ]
    return (*made, *(_around(tree, rule, found) for rule in PROJECT_RULES))


def unreadable(path: PurePosixPath, error: UnreadableSqlError) -> Unresolved:
    """Return the refusal of a model that cannot be cut into tokens."""
    return Unresolved(
        path=path,
        reason=Reason.UNPARSABLE,
        detail=" ".join(str(error).split())[:_EXCERPT],
        hint="close the open string or comment, then run the command again.",
    )


def _around(tree: Tree, rule: ProjectRule, found: tuple[Project, ...]) -> Check:
    return Check(
        rule=rule.id,
        criterion=rule.criterion,
        examined=tuple(path for project in found for path in project.models),
        findings=tuple(
            _finding(rule.id, rule.criterion, path, tree.read(path) or b"", place)
            for project in found
            for path, place in rule.locate(tree, project)
        ),
    )


def _finding(
    rule: str, criterion: str, path: PurePosixPath, content: bytes, place: Place
) -> Finding:
    text = content[line_start(content, place.offset) : line_end(content, place.offset)]
    advice = _MENDED if place.mend else place.advice
    return Finding(
        gap=GAP_SLUG,
        rule=rule,
        criterion=criterion,
        path=path,
        line=line_number(content, place.offset),
        message=f"column {column(content, place.offset)}: {place.message}; {advice}",
        excerpt=text.decode("utf-8", "replace").strip()[:_EXCERPT],
        named=path == NAMED,
    )
