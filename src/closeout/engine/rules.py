"""Run a gap's rules over a tree: the one maker of checks and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from closeout.console import failures
from closeout.model import Check, Finding, Gap, Place, Rule, Tree, Unresolved

Detection = Mapping[str, tuple[Check, ...]]
"""Gap slug to the checks made on one tree."""


def findings(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Return all findings of some checks, in order of path and line."""
    found = [finding for check in checks for finding in check.findings]
    return tuple(sorted(found, key=lambda item: (item.path, item.line, item.rule)))


def stops(checks: Sequence[Check], refused: Sequence[Unresolved]) -> tuple[Unresolved, ...]:
    """Return what stops a whole gap, among what was seen of it and what was refused."""
    seen = (item for check in checks for item in check.unresolved)
    return tuple(dict.fromkeys(item for item in (*refused, *seen) if item.reason.stops_gap))


def detected(gap: Gap, tree: Tree) -> tuple[Check, ...]:
    """Return the gap's checks; where its detector fails, one a criterion that says so."""
    try:
        return checks(gap, tree)
    except Exception as error:  # noqa: BLE001 - a bug stays in its gap
        failure = failures.of_gap(f"{gap.slug}: detect", error)
        return tuple(
            Check(rule="detector", criterion=number, examined=(), unresolved=(failure,))
            for number in gap.criteria
        )


def checks(gap: Gap, tree: Tree) -> tuple[Check, ...]:
    """Return one check a rule of the gap, in their order; none of an optional one without files."""
    surveyed = gap.survey(tree)
    made = ((rule, _check(gap, rule, surveyed, tree)) for rule in gap.rules)
    return tuple(check for rule, check in made if check.examined or not rule.is_optional)


def _check(gap: Gap, rule: Rule, surveyed: object, tree: Tree) -> Check:
    located = rule.locate(surveyed)
    return Check(
        rule=rule.id,
        criterion=rule.criterion,
        examined=located.examined,
        findings=tuple(_finding(gap, rule, place, tree) for place in located.places),
        unresolved=located.unresolved,
    )


def _finding(gap: Gap, rule: Rule, place: Place, tree: Tree) -> Finding:
    return Finding(
        gap=gap.slug,
        rule=place.rule or rule.id,
        criterion=rule.criterion,
        path=place.path,
        line=place.line,
        message=place.message or rule.message,
        excerpt=rule.excerpt(_line(tree, place)) if place.excerpt is None else place.excerpt,
        named=place.path in rule.named if place.named is None else place.named,
    )


def _line(tree: Tree, place: Place) -> str:
    lines = (tree.read(place.path) or b"").splitlines()
    if not 0 < place.line <= len(lines):
        return ""
    return lines[place.line - 1].decode("utf-8", "replace").strip()
