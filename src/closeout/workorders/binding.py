"""Hand what was seen for the rules and probes of gaps to the checkboxes of a team's own order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from closeout.console.nearest import nearest
from closeout.engine.detector_evidence import DETECTOR
from closeout.engine.evaluate import Case
from closeout.engine.rules import Detection
from closeout.engine.subjects import Absence, joined
from closeout.model import Criterion, Gap, Unresolved, WorkOrder
from closeout.model.verdicts import Evidence
from closeout.workorders.order_files import unusable


def bound(order: WorkOrder, case: Case, gaps: Sequence[Gap]) -> Case:
    """Return the case in which each thing seen speaks for the order's own checkboxes."""
    own = [item for item in order.criteria if not item.rests_on]
    return replace(
        case,
        detection=_detection(own, case.detection),
        evidence=tuple(
            each for item in own for each in _evidence(item, case.evidence, _base(item, gaps))
        ),
        absent=dict(_absent(own, case, gaps)),
        stopped={item.id: _stopped(item, case, gaps) for item in own},
        asked=None,
    )


def gaps_of(order: WorkOrder, gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return the gaps that a checkbox rests on, each with these checkboxes as its criteria."""
    made = (replace(gap, criteria=tuple(_of(gap, order.criteria))) for gap in gaps)
    return tuple(gap for gap in made if gap.criteria)


def assert_ties(order: WorkOrder, gaps: Sequence[Gap]) -> None:
    """Raise CloseoutError("order-unusable") for a tie to a rule that there is not."""
    known = sorted(f"{gap.slug}/{rule.id}" for gap in gaps for rule in gap.rules)
    for item in order.criteria:
        for tie in item.rules:
            if not any(fnmatchcase(name, tie) for name in known):
                near = nearest(tie, known)
                raise unusable(
                    order.id, f"{item.id}: there is no rule {tie}; the nearest is {near}"
                )


def _of(gap: Gap, criteria: Iterable[Criterion]) -> Iterator[str]:
    for item in criteria:
        if any(tie.startswith(f"{gap.slug}/") for tie in item.rules) or any(
            tie.startswith(f"{gap.slug}.") for tie in item.probes
        ):
            yield item.id


def _detection(own: Sequence[Criterion], seen: Detection) -> Detection:
    return {
        slug: tuple(
            replace(
                check,
                criterion=item.id,
                findings=tuple(replace(place, criterion=item.id) for place in check.findings),
            )
            for check in checks
            for item in own
            if _is_tied(item, slug, check.rule)
        )
        for slug, checks in seen.items()
    }


def _is_tied(item: Criterion, slug: str, rule: str) -> bool:
    return any(fnmatchcase(f"{slug}/{rule}", tie) for tie in item.rules)


def _evidence(
    item: Criterion, seen: Sequence[Evidence], base: Collection[str]
) -> Iterator[Evidence]:
    """Yield what speaks for a checkbox, and whatever fails for what it rests on."""
    told: set[str] = set()
    for each in seen:
        slug, _, rule = each.probe.removeprefix(DETECTOR).partition(".")
        detected = each.probe.startswith(DETECTOR) and _is_tied(item, slug, rule)
        name = each.probe.partition("@")[0]
        probed = any(fnmatchcase(name, tie) for tie in item.probes)
        failed = each.passed is False and each.criterion in base
        if (detected or probed or failed) and each.probe not in told:
            told.add(each.probe)
            yield replace(each, criterion=item.id)


def _absent(
    own: Sequence[Criterion], case: Case, gaps: Sequence[Gap]
) -> Iterator[tuple[str, Absence]]:
    for item in own:
        needed = _base(item, gaps)
        if needed and needed <= case.absent.keys():
            yield item.id, joined(case.absent[each] for each in sorted(needed))


def _base(item: Criterion, gaps: Sequence[Gap]) -> set[str]:
    """Return the gaps' own criteria that a checkbox rests on."""
    found = {
        rule.criterion for gap in gaps for rule in gap.rules if _is_tied(item, gap.slug, rule.id)
    }
    for gap in gaps:
        if any(tie.startswith(f"{gap.slug}.") for tie in item.probes) and not found:
            found |= set(gap.criteria)
    return found


def _stopped(item: Criterion, case: Case, gaps: Sequence[Gap]) -> Sequence[Unresolved]:
    stopped: Mapping[str, Sequence[Unresolved]] = case.stopped
    numbers = [gap.criteria[0] for gap in gaps if gap.criteria and item.id in _of(gap, [item])]
    return tuple(dict.fromkeys(each for number in numbers for each in stopped.get(number, ())))
