"""Find what PostgreSQL would refuse or get wrong in the models of every dbt project."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.anchors.sql import UnreadableSqlError
from closeout.gaps.sql.project import Project, projects
from closeout.gaps.sql.rules import RULES, Place, Source, read
from closeout.model import Check, Finding, Reason, Unresolved
from closeout.splicing import line_end, line_number, line_start
from closeout.tree import Tree

GAP_SLUG = "sql"
NAMED = PurePosixPath(
    "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql"
)
_PACKAGE_RULE = "package-beside-models"
_EXCERPT = 160


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return one check a rule over every model, and one over what stands beside the models."""
    found = projects(tree)
    sources: dict[PurePosixPath, Source] = {}
    unresolved: list[Unresolved] = []
    for project in found:
        for path in project.models:
            try:
                sources[path] = read(tree.read(path) or b"", project)
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
    return (*made, _packages(found))


def unreadable(path: PurePosixPath, error: UnreadableSqlError) -> Unresolved:
    """Return the refusal of a model that cannot be cut into tokens."""
    return Unresolved(
        path=path,
        reason=Reason.UNPARSABLE,
        detail=" ".join(str(error).split())[:_EXCERPT],
        hint="close the open string or comment, then run the command again.",
    )


def _packages(found: tuple[Project, ...]) -> Check:
    place = Place(offset=0, message="dbt reads this file as a Python model and refuses to parse")
    return Check(
        rule=_PACKAGE_RULE,
        criterion="3.2",
        examined=tuple(path for project in found for path in project.models),
        findings=tuple(
            _finding(_PACKAGE_RULE, "3.2", path, b"", place)
            for project in found
            for path in project.packages
        ),
    )


def _finding(
    rule: str, criterion: str, path: PurePosixPath, content: bytes, place: Place
) -> Finding:
    text = content[line_start(content, place.offset) : line_end(content, place.offset)]
    return Finding(
        gap=GAP_SLUG,
        rule=rule,
        criterion=criterion,
        path=path,
        line=line_number(content, place.offset),
        message=place.message,
        excerpt=text.decode("utf-8", "replace").strip()[:_EXCERPT],
        named=path == NAMED,
    )
