"""Rule on every criterion: from findings, refusals, evidence and waivers, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from closeout.engine import grounds, waivers
from closeout.engine.detector_evidence import DETECTOR
from closeout.engine.rules import Detection
from closeout.engine.subjects import Absent
from closeout.engine.unread import EMPTY, unjudged
from closeout.fs.walk import FOLDER
from closeout.model import (
    Criterion,
    Finding,
    Means,
    ProofKind,
    Unresolved,
    Verdict,
    WorkOrder,
)
from closeout.model.verdicts import Evidence, Ruling, Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of one tree: the ground of every ruling."""

    tree_digest: str
    detection: Detection
    unresolved: Mapping[str, tuple[Unresolved, ...]] = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    waivers: Mapping[str, Waiver] = field(default_factory=dict)
    """The waivers in force, by what they accept: a criterion, a finding or a probe."""
    unreadable: Sequence[Unresolved] = ()
    """The files that nobody could look into."""
    stopped: Mapping[str, Sequence[Unresolved]] = field(default_factory=dict)
    """What stops the whole gap of a criterion, by the criterion's id."""
    absent: Absent = field(default_factory=dict)
    """The criteria that do not apply to the tree, and why."""
    asked: frozenset[str] | None = None
    """The criteria that probes and gates of ours ask of this tree; None where nobody looked."""


def judge(order: WorkOrder, case: Case) -> tuple[Ruling, ...]:
    """Return a ruling for every criterion of the order, in its sequence."""
    rulings: dict[str, Ruling] = {}
    for criterion in order.criteria:
        rulings[criterion.id] = (
            _resting(criterion, rulings) if criterion.rests_on else _waived(criterion, case)
        )
    return tuple(rulings.values())


def _resting(criterion: Criterion, rulings: Mapping[str, Ruling]) -> Ruling:
    grounds = [rulings[number] for number in criterion.rests_on]
    worst = max(grounds, key=lambda item: item.verdict)
    if worst.verdict is Verdict.NOT_APPLICABLE:
        because = "; ".join(dict.fromkeys(item.because for item in grounds))
        return _ruled(criterion, Verdict.NOT_APPLICABLE, because)
    if worst.verdict is Verdict.CLOSED:
        closed = [item for item in grounds if item.verdict is Verdict.CLOSED]
        seen = tuple(item for ground in closed for item in ground.evidence)
        because = f"all of {', '.join(item.criterion.id for item in closed)} are closed"
        if len(closed) < len(grounds):
            because += ", and the others do not apply"
        return Ruling(criterion=criterion, verdict=Verdict.CLOSED, because=because, evidence=seen)
    told = ", ".join(
        f"{item.criterion.id} {item.verdict.name}"
        for item in grounds
        if item.verdict > Verdict.CLOSED
    )
    return Ruling(
        criterion=criterion,
        verdict=worst.verdict,
        because=f"rests on {told}",
        waiver=worst.waiver,
    )


def _own_ruling(criterion: Criterion, case: Case) -> Ruling:
    checks = [
        (slug, check)
        for slug, made in case.detection.items()
        for check in made
        if check.criterion == criterion.id
    ]
    fresh = _fresh(criterion, case)
    stopped = case.stopped.get(criterion.id)
    if stopped:
        because = "; ".join(dict.fromkeys(item.detail for item in stopped))
        return _ruled(criterion, _worst_reason(stopped), because, fresh)
    if criterion.id in case.absent:
        return _not_applicable(criterion, case)
    found = [(slug, item) for slug, check in checks for item in check.held]
    refused = [item for _, check in checks for item in check.unresolved]
    refused += unjudged([check for _, check in checks], case.unreadable)
    if found:
        return _open_places(criterion, found, case, fresh, refused)
    if any(item.passed is False for item in fresh):
        return _ruled(criterion, Verdict.OPEN, grounds.failing(fresh, refused), fresh)
    left = [item for item in refused if not _is_answered(item, fresh)]
    if left:
        return _ruled(criterion, _worst_reason(left), grounds.places(left), fresh)
    return _from_evidence(criterion, case, refused)


def _is_answered(item: Unresolved, fresh: Sequence[Evidence]) -> bool:
    """Return whether every probe that asks what could not be read found it as it has to be."""
    passed = {seen.probe for seen in fresh if seen.passed}
    return bool(item.probes) and passed >= set(item.probes)


def _not_applicable(criterion: Criterion, case: Case) -> Ruling:
    """Return that a criterion does not apply; what could not be read may hold its subject."""
    absence = case.absent[criterion.id]
    hidden = (item for item in case.unreadable if item.detail not in EMPTY)
    told = ", ".join(
        str(item.path)
        for item in hidden
        if item.detail.startswith(FOLDER) or absence.may_be_in(item.path)
    )
    if not told:
        return _ruled(criterion, Verdict.NOT_APPLICABLE, absence.because)
    because = f"{absence.because} that can be read, but for {told}"
    way = f"make {told} readable, or take it away, then run the command again"
    return replace(_ruled(criterion, Verdict.UNPROVEN, because), way=way)


def _fresh(criterion: Criterion, case: Case) -> tuple[Evidence, ...]:
    """Return the evidence for the criterion that is about the tree under judgement."""
    return tuple(
        item
        for item in case.evidence
        if item.criterion == criterion.id and item.tree_digest == case.tree_digest
    )


def _open_places(
    criterion: Criterion,
    found: Sequence[tuple[str, Finding]],
    case: Case,
    fresh: Sequence[Evidence],
    unjudged: Sequence[Unresolved],
) -> Ruling:
    refused = {(slug, item.path): item for slug, items in case.unresolved.items() for item in items}
    left = [refused.get((slug, item.path)) for slug, item in found]
    known = [item for item in left if item is not None]
    if len(known) == len(found):
        return _ruled(criterion, _worst_reason(known), grounds.places(known), fresh)
    because = grounds.open_places([item for _, item in found], unjudged)
    return _ruled(criterion, Verdict.OPEN, because, fresh)


def _from_evidence(criterion: Criterion, case: Case, answered: Sequence[Unresolved] = ()) -> Ruling:
    mine = [item for item in case.evidence if item.criterion == criterion.id]
    fresh = _fresh(criterion, case)
    bugs = tuple(dict.fromkeys(item.bug for item in fresh if item.bug))
    if bugs:
        return _ruled(criterion, Verdict.BLOCKED, "; ".join(bugs), fresh)
    enough = [item for item in fresh if _ranks(item.means, criterion.means)]
    not_run = [item for item in enough if item.passed is None]
    if not_run:
        because = f"{not_run[0].probe} did not run: {not_run[0].observed}"
        ruling = _ruled(criterion, Verdict.UNPROVEN, because, fresh)
        return replace(ruling, way=not_run[0].way or _way_of_static(criterion, not_run[0].means))
    if not enough:
        is_stale = any(_ranks(item.means, criterion.means) for item in mine)
        return _unasked(criterion, case, fresh, is_stale=is_stale)
    if criterion.means is Means.LIVE and all(item.kind is ProofKind.GUARD for item in enough):
        because = "every probe was green before the fix too, so none of them proves it"
        return _guarded(criterion, because, fresh)
    guards = {item.probe for item in enough if item.kind is ProofKind.GUARD}
    unproven = [item for item in answered if guards & set(item.probes)]
    if unproven:
        return _guarded(criterion, grounds.guarded(unproven), fresh)
    return _ruled(criterion, Verdict.CLOSED, grounds.closed(enough, answered), fresh)


def _unasked(
    criterion: Criterion, case: Case, fresh: Sequence[Evidence], *, is_stale: bool
) -> Ruling:
    """Return what settles a criterion without evidence: its command, if that can bring any."""
    stale = "; what was proven is stale, the tree changed since" if is_stale else ""
    if criterion.rules and case.detection and (way := _way_of_static(criterion, Means.STATIC)):
        because = "no rule finds in this tree what it could judge"
        return replace(_ruled(criterion, Verdict.UNPROVEN, because, fresh), way=way)
    ours = criterion.means in {Means.SUITE, Means.LIVE}
    if case.asked is None or not ours or criterion.id in case.asked:
        because = f"not proven yet{stale}; settle it by: {criterion.settled_by}"
        return _ruled(criterion, Verdict.UNPROVEN, because, fresh)
    way = f"a look by hand, for no probe asks it of this tree, and a waiver in {waivers.FILE}"
    because = f"not proven yet{stale}, and no probe asks it of this tree"
    return replace(_ruled(criterion, Verdict.UNPROVEN, because, fresh), way=way)


def _way_of_static(criterion: Criterion, unanswered: Means) -> str:
    """Return what settles a static criterion that reading did not, empty for any other.

    Reading the same tree again finds no more: a person looks at what no rule reads, and what did
    not answer when it ran is asked again.
    """
    if criterion.means is not Means.STATIC:
        return ""
    if unanswered is Means.LIVE:
        return "nox -s live_probes"
    return f"a look by hand, for no rule reads it in this tree, and a waiver in {waivers.FILE}"


def _guarded(criterion: Criterion, because: str, fresh: Sequence[Evidence]) -> Ruling:
    """Return that no further run proves it: what was green before the fix stays a guard."""
    way = f"a look at what was green before the fix too, and a waiver in {waivers.FILE}"
    return replace(_ruled(criterion, Verdict.UNPROVEN, because, fresh), way=way)


def _ranks(given: Means, asked: Means) -> bool:
    ladder = list(Means)
    return ladder.index(given) >= ladder.index(asked)


def _ruled(
    criterion: Criterion, verdict: Verdict, because: str, evidence: Sequence[Evidence] = ()
) -> Ruling:
    return Ruling(criterion=criterion, verdict=verdict, because=because, evidence=tuple(evidence))


def _waived(criterion: Criterion, case: Case) -> Ruling:
    """Return the ruling with what is waived in force left out of its ground."""
    reduced, waivers = _without_waived(criterion, case)
    ruling = _own_ruling(criterion, reduced)
    whole = case.waivers.get(criterion.id)
    if whole is not None and ruling.verdict > Verdict.CLOSED:
        return _accepted(ruling, whole)
    settled = ruling.verdict is Verdict.CLOSED or (
        ruling.verdict is Verdict.UNPROVEN and not ruling.evidence
    )
    settling = _accepted(ruling, waivers[0]) if waivers and settled else ruling
    return replace(settling, allowed=tuple(waivers))


def _without_waived(criterion: Criterion, case: Case) -> tuple[Case, list[Waiver]]:
    """Return the case without the criterion's waived findings and failing probes."""
    used: list[Waiver] = []

    def stands(subject: str) -> bool:
        if subject in case.waivers:
            used.append(case.waivers[subject])
        return subject not in case.waivers

    detection = {
        slug: tuple(
            replace(
                check, findings=tuple(item for item in check.findings if stands(waivable(item)))
            )
            if check.criterion == criterion.id
            else check
            for check in checks
        )
        for slug, checks in case.detection.items()
    }
    evidence = tuple(
        item
        for item in case.evidence
        if item.criterion != criterion.id or item.passed is not False or stands(item.probe)
    )
    # A detector fails for its findings alone: where all of those are waived, so is its answer.
    clean = {
        f"{DETECTOR}{slug}.{check.rule}"
        for slug, checks in detection.items()
        for check in checks
        if not check.findings
    }
    evidence = tuple(
        item
        for item in evidence
        if item.criterion != criterion.id or item.passed is not False or item.probe not in clean
    )
    return replace(case, detection=detection, evidence=evidence), used


def waivable(item: Finding) -> str:
    """Return the name by which `waivers.toml` accepts a finding: gap, rule and path."""
    return f"{item.gap}/{item.rule} {item.path}"


def _accepted(ruling: Ruling, waiver: Waiver) -> Ruling:
    return Ruling(
        criterion=ruling.criterion,
        verdict=Verdict.WAIVED,
        because=f"{waiver.who} accepted {waiver.subject} until {waiver.until}: {waiver.why}",
        evidence=ruling.evidence,
        waiver=waiver,
    )


def _worst_reason(refused: Sequence[Unresolved]) -> Verdict:
    return max(item.reason.verdict for item in refused)
