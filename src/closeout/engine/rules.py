"""Run a gap's rules over a tree: the one maker of checks and findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.console import failures, redaction
from closeout.engine import recalled
from closeout.engine.subjects import absent
from closeout.fs.once import once
from closeout.model import NO_CRITERION, Check, Finding, Gap, Place, Rule, Tree, Unresolved

Detection = Mapping[str, tuple[Check, ...]]
"""Gap slug to the checks made on one tree."""
Spot = tuple[PurePosixPath, int]
"""A file's path and a line of it."""


def findings(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Return all findings of some checks, in order of path and line."""
    found = [finding for check in checks for finding in check.findings]
    return tuple(sorted(found, key=lambda item: (item.path, item.line, item.rule)))


def spots(found: Iterable[Finding]) -> frozenset[Spot]:
    """Return where something is open: a line of a file counts once, however much is found there."""
    return frozenset((item.path, item.line) for item in found)


def unnamed(found: Sequence[Finding]) -> int:
    """Return how many of the places the order does not list."""
    return len(spots(found) - spots(item for item in found if item.named))


def stops(checks: Sequence[Check], refused: Sequence[Unresolved]) -> tuple[Unresolved, ...]:
    """Return what stops a whole gap, among what was seen of it and what was refused."""
    seen = (item for check in checks for item in check.unresolved)
    return tuple(dict.fromkeys(item for item in (*refused, *seen) if item.reason.stops_gap))


def secrets(gaps: Sequence[Gap], seen: Detection, tree: Tree) -> frozenset[str]:
    """Return the values that may be secret where rules about secrets found something on `tree`."""
    ids = {(gap.slug, rule.id) for gap in gaps for rule in gap.rules if rule.holds_secrets}
    lines = [
        _line(tree, Place(path=place.path, line=place.line))
        for slug, made in seen.items()
        for check in made
        for place in check.findings
        if (slug, check.rule) in ids
    ]
    return redaction.values(lines)


def told_once(gaps: Sequence[Gap], seen: Detection) -> Detection:
    """Return the checks with each secret told under the first gap, to which the others refer.

    What is held open stays as it is: only the words change.
    """
    telling = {(gap.slug, rule.id) for gap in gaps for rule in gap.rules if rule.holds_secrets}
    known: dict[Spot, Finding] = {}

    def referring(item: Finding) -> Finding:
        first = known.get((item.path, item.line))
        if first is None or first.gap == item.gap:
            return item
        if (item.gap, item.rule) in telling:
            return replace(item, message=f"as {first.criterion} says: {first.message}")
        told = f"; the literal is told under {first.criterion}"
        return replace(item, message=item.message.removesuffix(told) + told)

    once: dict[str, tuple[Check, ...]] = {}
    for slug, made in seen.items():
        once[slug] = tuple(
            replace(check, findings=tuple(referring(item) for item in check.findings))
            for check in made
        )
        for item in findings(made):
            if (slug, item.rule) in telling:
                known.setdefault((item.path, item.line), item)
    return once


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
    """Return one check a rule of the gap, in their order; none of an optional one without files.

    A rule that does not apply to the tree, or whose criterion does not, makes none either.
    """
    return recalled.checks(tree, gap, lambda seen: _checked(seen, gap))


@once
def _checked(tree: Tree, gap: Gap) -> tuple[Check, ...]:
    beside = absent(gap, tree)
    asked = [rule for rule in gap.rules if rule.criterion not in beside and rule.applies(tree)]
    if not asked:
        return ()
    surveyed = gap.survey(tree)
    made = ((rule, _check(gap, rule, surveyed, tree)) for rule in asked)
    return tuple(
        check for rule, check in made if check.examined or check.unresolved or not rule.is_optional
    )


def _check(gap: Gap, rule: Rule, surveyed: object, tree: Tree) -> Check:
    located = rule.locate(surveyed)
    unjudged = (item for refusals in rule.reads for item in refusals(tree))
    known = {item.path for item in located.unresolved}
    return Check(
        rule=rule.id,
        criterion=rule.criterion,
        examined=located.examined,
        findings=tuple(_finding(gap, rule, place, tree) for place in located.places),
        unresolved=(
            *located.unresolved,
            *(item for item in unjudged if item.path not in known),
        ),
    )


def _finding(gap: Gap, rule: Rule, place: Place, tree: Tree) -> Finding:
    return Finding(
        gap=gap.slug,
        rule=place.rule or rule.id,
        criterion=NO_CRITERION if place.is_beside else rule.criterion,
        path=place.path,
        line=place.line,
        message=place.message or rule.message,
        excerpt=rule.excerpt(_line(tree, place)) if place.excerpt is None else place.excerpt,
        named=place.path in rule.named if place.named is None else place.named,
    )


def _line(tree: Tree, place: Place) -> str:
    lines = _lines(tree.read(place.path) or b"")
    if not 0 < place.line <= len(lines):
        return ""
    return lines[place.line - 1].decode("utf-8", "replace").strip()


@lru_cache(maxsize=4)
def _lines(content: bytes) -> list[bytes]:
    """Return a file's lines, kept for the next of its places."""
    return content.splitlines()
