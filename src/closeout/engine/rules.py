"""Run a gap's rules over a tree: the one maker of checks and findings."""

from __future__ import annotations

from closeout.model import Check, Finding, Gap, Place, Rule, Tree


def checks(gap: Gap, tree: Tree) -> tuple[Check, ...]:
    """Return one check a rule of the gap, in their order; none of an optional one without files."""
    if gap.detect is not None:
        return gap.detect(tree)
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
        excerpt=_line(tree, place) if place.excerpt is None else place.excerpt,
        named=place.path in rule.named if place.named is None else place.named,
    )


def _line(tree: Tree, place: Place) -> str:
    lines = (tree.read(place.path) or b"").splitlines()
    if not 0 < place.line <= len(lines):
        return ""
    return lines[place.line - 1].decode("utf-8", "replace").strip()
