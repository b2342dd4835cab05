"""Rulings follow from what was seen; absence is never success."""

from dataclasses import replace
from datetime import date
from pathlib import PurePosixPath

import pytest

from closeout.engine import detector_evidence, evaluate, planner, rules
from closeout.engine.evaluate import Case
from closeout.engine.subjects import Absence
from closeout.fs.tree import MemoryTree
from closeout.fs.walk import NOWHERE
from closeout.model import (
    NO_CRITERION,
    Check,
    Criterion,
    FileQuestion,
    Finding,
    Means,
    Reason,
    Unresolved,
    Verdict,
)
from closeout.model.verdicts import Evidence, Ruling, Waiver
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import NOW, criterion, evidence, order, toy_gap

SHUT = MemoryTree({"a.txt": b"SHUT\n"})
OPEN = MemoryTree({"a.txt": b"OPEN\n"})


def _rule(asked: Criterion, *items: Evidence, tree: MemoryTree = SHUT, **more: object) -> Ruling:
    found = planner.detect([toy_gap()], tree)
    case = Case(tree_digest="tree", detection=found, evidence=items, **more)
    return evaluate.judge(order(asked), case)[0]


def test_judge_leaves_a_criterion_unproven_without_evidence() -> None:
    """Nothing ran, so nothing is closed; the ruling names the command that settles it."""
    ruling = _rule(criterion(means=Means.LIVE))
    assert ruling.verdict is Verdict.UNPROVEN
    assert "nox -s live_probes" in ruling.because


def test_judge_closes_on_passing_evidence_of_the_asked_means() -> None:
    """Red before, green after, on this very tree."""
    assert _rule(criterion(means=Means.LIVE), evidence()).verdict is Verdict.CLOSED


@pytest.mark.parametrize("asked", [Means.SUITE, Means.LIVE, Means.OPERATOR])
def test_judge_does_not_take_weaker_means_for_proof(asked: Means) -> None:
    """A static look settles nothing that has to be run, an emulator no real cloud."""
    ruling = _rule(criterion(means=asked), evidence(means=Means.STATIC))
    assert ruling.verdict is Verdict.UNPROVEN


def test_judge_opens_on_one_failing_probe() -> None:
    """Any red probe opens the criterion, and its observation is told."""
    bad = evidence(probe="toy.bad", passed=False, observed="the evil origin came back")
    ruling = _rule(criterion(means=Means.LIVE), evidence(), bad)
    assert ruling.verdict is Verdict.OPEN
    assert "the evil origin came back" in ruling.because


def test_judge_leaves_it_unproven_when_a_probe_did_not_run() -> None:
    """A missing tool is no pass."""
    absent = evidence(probe="toy.tool", passed=None, observed="mosquitto is not installed")
    ruling = _rule(criterion(means=Means.LIVE), evidence(), absent)
    assert ruling.verdict is Verdict.UNPROVEN
    assert "mosquitto is not installed" in ruling.because


def test_what_reading_settles_and_a_probe_could_not_ask_is_left_to_the_probes() -> None:
    """Reading the tree again starts no service that did not start."""
    absent = evidence(probe="toy.tool", passed=None, observed="api is not up", means=Means.LIVE)
    ruling = _rule(criterion(), evidence(means=Means.STATIC), absent)
    assert ruling.verdict is Verdict.UNPROVEN
    assert ruling.settled_by == "nox -s live_probes"


def test_what_can_be_no_proof_here_is_settled_where_the_service_is_deployed() -> None:
    """The same run again starts the image's own program no more than the last one did."""
    asked = "start barn from its image, and ask it there what 1.1 says"
    other = "no proof: what starts barn is `mlflow server`, never the app in its folder"
    absent = evidence(probe="toy.as-deployed@barn", passed=None, observed=other, command=asked)
    ruling = _rule(criterion(means=Means.LIVE), evidence(), absent)
    assert ruling.verdict is Verdict.UNPROVEN
    assert ruling.settled_by == asked


def test_judge_takes_no_stale_evidence() -> None:
    """Evidence of another tree proves nothing about this one."""
    ruling = _rule(criterion(means=Means.LIVE), evidence(tree_digest="older"))
    assert ruling.verdict is Verdict.UNPROVEN
    assert "stale" in ruling.because


def test_judge_takes_no_guard_for_a_proof() -> None:
    """A probe that was green before the fix says nothing about the fix."""
    ruling = _rule(criterion(means=Means.LIVE), evidence(before=True))
    assert ruling.verdict is Verdict.UNPROVEN
    assert "nox" not in ruling.settled_by
    assert "waivers.toml" in ruling.settled_by


def test_what_settles_a_ruling_is_its_criterions_command_or_what_stands_in_its_way() -> None:
    """A command that was run and cannot settle it is not named; a roll-up names its parts."""
    asked = criterion(means=Means.LIVE)
    assert _rule(asked).settled_by == asked.settled_by
    asking = FileQuestion(suffixes=frozenset(), concerns=bool, holds=bool, bit=1)
    absence = Absence(because="there is no broker", questions=(asking,))
    lost = Unresolved(path=PurePosixPath("b.yml"), reason=Reason.UNREADABLE, detail="UTF-16")
    nowhere = replace(lost, path=PurePosixPath("link"), detail=NOWHERE)
    in_doubt = _rule(asked, absent={asked.id: absence}, unreadable=(lost, nowhere))
    assert in_doubt.verdict is Verdict.UNPROVEN
    assert "b.yml" in in_doubt.settled_by
    assert "link" not in in_doubt.because + in_doubt.settled_by
    without = _rule(asked, absent={asked.id: absence}, unreadable=(nowhere,))
    assert without.verdict is Verdict.NOT_APPLICABLE
    rolled = next(item for item in WO_004.criteria if item.id == "D.1")
    assert rolled.settled_by == "what settles 1.1, 1.2, 1.3"


def test_judge_opens_on_a_finding_in_spite_of_green_probes() -> None:
    """A place that is still open outweighs the evidence."""
    ruling = _rule(criterion(means=Means.LIVE), evidence(), tree=OPEN)
    assert ruling.verdict is Verdict.OPEN
    assert "a.txt:1" in ruling.because


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [(Reason.DRIFTED, Verdict.DRIFTED), (Reason.UNPARSABLE, Verdict.BLOCKED)],
)
def test_judge_takes_the_refusal_for_its_verdict(reason: Reason, verdict: Verdict) -> None:
    """A place that was refused is drifted or blocked, with its reason."""
    place = rules.findings(planner.detect([toy_gap()], OPEN)["toy"])[0].path
    left = Unresolved(path=place, reason=reason, detail="moved on")
    ruling = _rule(criterion(), tree=OPEN, unresolved={"toy": (left,)})
    assert ruling.verdict is verdict
    assert "moved on" in ruling.because


def test_judge_blocks_where_a_detector_could_not_look() -> None:
    """A file that does not parse blocks what it would have shown."""
    left = Unresolved(path=SHUT.paths()[0], reason=Reason.UNPARSABLE, detail="bad", line=7)
    check = Check(rule="word", criterion="1.1", examined=SHUT.paths(), unresolved=(left,))
    case = Case(tree_digest="tree", detection={"toy": (check,)})
    (ruling,) = evaluate.judge(order(criterion()), case)
    assert ruling.verdict is Verdict.BLOCKED
    assert "a.txt:7" in ruling.because


@pytest.mark.parametrize(
    ("passed", "before", "verdict", "told"),
    [
        (True, False, Verdict.CLOSED, "toy.asks saw what was seen"),
        (True, None, Verdict.CLOSED, "a.txt:7 could not be judged by reading"),
        (False, False, Verdict.OPEN, "not judged by reading: a.txt:7 ambiguous: who knows"),
        (True, True, Verdict.UNPROVEN, "toy.asks passed before the fix too"),
        (None, None, Verdict.DRIFTED, "a.txt:7 ambiguous: who knows"),
    ],
)
def test_judge_lets_the_answer_decide_where_reading_cannot_tell(
    passed: bool | None, before: bool | None, verdict: Verdict, told: str
) -> None:
    """A red answer opens, a green one closes and is named, a guard and no answer do neither."""
    seen = {"passed": passed, "before": before, "observed": "what was seen"}
    ruling = _ambiguous(evidence(probe="toy.asks", **seen), evidence(probe="toy.other"))
    assert ruling.verdict is verdict
    assert told in ruling.because


@pytest.mark.parametrize("probe", ["toy.other", "toy.asks.more"])
def test_judge_lets_no_other_answer_decide(probe: str) -> None:
    """What nobody asks about the place leaves it as it was read."""
    ruling = _ambiguous(evidence(probe=probe))
    assert ruling.verdict is Verdict.DRIFTED


def _ambiguous(*seen: Evidence) -> Ruling:
    """Rule on a live criterion of one place that reading cannot judge, and `toy.asks` asks."""
    left = Unresolved(
        path=SHUT.paths()[0],
        reason=Reason.AMBIGUOUS,
        detail="who knows",
        line=7,
        probes=("toy.asks",),
    )
    check = Check(rule="word", criterion="1.1", examined=SHUT.paths(), unresolved=(left,))
    case = Case(tree_digest="tree", detection={"toy": (check,)}, evidence=seen)
    return evaluate.judge(order(criterion(means=Means.LIVE)), case)[0]


def test_static_evidence_of_an_empty_look_is_no_pass() -> None:
    """A detector that found no file to examine has not shown anything."""
    empty = planner.detect([toy_gap()], MemoryTree({"b.py": b""}))
    (item,) = detector_evidence.static_evidence(empty, empty, "tree", NOW)
    assert item.passed is None


def test_static_evidence_closes_a_static_criterion_and_remembers_red() -> None:
    """Open before, none after: the detector's answers are proof like any other."""
    before = planner.detect([toy_gap()], OPEN)
    after = planner.detect([toy_gap()], SHUT)
    items = detector_evidence.static_evidence(before, after, "tree", NOW)
    assert items[0].before is False
    assert _rule(criterion(), *items).verdict is Verdict.CLOSED


def test_judge_gives_a_resting_criterion_the_worst_verdict() -> None:
    """A done-line is as good as the worst of what it rests on."""
    asked = order(
        criterion("1.1", Means.LIVE),
        criterion("1.2", Means.LIVE),
        criterion("D.1", rests_on=("1.1", "1.2")),
    )
    case = Case(tree_digest="tree", detection={}, evidence=(evidence("1.1"),))
    assert [item.verdict for item in evaluate.judge(asked, case)] == [
        Verdict.CLOSED,
        Verdict.UNPROVEN,
        Verdict.UNPROVEN,
    ]


def _waiver(subject: str) -> Waiver:
    day = date(2026, 1, 1)
    return Waiver(subject=subject, who="Mali", when=day, why="next week", until=date(2026, 3, 1))


@pytest.mark.parametrize("subject", ["1.1", "toy/word a.txt"], ids=["criterion", "finding"])
def test_judge_waives_an_open_place(subject: str) -> None:
    """A criterion or the one finding in it can be accepted; the ruling says by whom."""
    items = detector_evidence.static_evidence(
        found := planner.detect([toy_gap()], OPEN), found, "tree", NOW
    )
    ruling = _rule(criterion(), *items, tree=OPEN, waivers={subject: _waiver(subject)})
    assert ruling.verdict is Verdict.WAIVED
    assert "Mali accepted" in ruling.because


def test_judge_waives_no_finding_that_is_not_named() -> None:
    """A waiver of one place leaves its neighbour open."""
    tree = MemoryTree({"a.txt": b"OPEN\n", "b.txt": b"OPEN\n"})
    subject = "toy/word a.txt"
    ruling = _rule(criterion(), tree=tree, waivers={subject: _waiver(subject)})
    assert ruling.verdict is Verdict.OPEN
    assert "b.txt:1" in ruling.because
    assert "a.txt" not in ruling.because


def test_judge_waives_a_failing_probe_beside_passing_ones() -> None:
    """An accepted probe is left out; what remains must still hold."""
    bad = evidence(probe="toy.bad", passed=False)
    waived = {"toy.bad": _waiver("toy.bad")}
    asked = criterion(means=Means.LIVE)
    assert _rule(asked, evidence(), bad, waivers=waived).verdict is Verdict.WAIVED
    worse = evidence(probe="toy.worse", passed=False)
    assert _rule(asked, evidence(), bad, worse, waivers=waived).verdict is Verdict.OPEN


def test_judge_takes_the_worst_of_open_and_refused_places() -> None:
    """A refusal in one place does not hide an open one in another."""
    tree = MemoryTree({"a.txt": b"OPEN\n", "b.txt": b"OPEN\n"})
    left = Unresolved(path=tree.paths()[0], reason=Reason.DRIFTED, detail="moved on")
    ruling = _rule(criterion(), tree=tree, unresolved={"toy": (left,)})
    assert ruling.verdict is Verdict.OPEN


@pytest.mark.parametrize(
    ("named", "refused", "told"),
    [
        (True, 0, "1 open: a.txt:1 the word stands here"),
        (True, 2, "1 open: a.txt:1 the word stands here"),
        (False, 0, "of the places that the order names none is open; of others 1 open: "),
        (
            False,
            2,
            (
                "of the places that the order names none is found open, and 2 not judged; "
                "of others 1 open: "
            ),
        ),
    ],
)
def test_judge_says_nothing_of_places_that_were_not_judged(
    named: bool, refused: int, told: str
) -> None:
    """No mixture of open, named and refused places is called closed; each refusal counts once."""
    place = Finding(
        gap="toy",
        rule="word",
        criterion="1.1",
        path=PurePosixPath("a.txt"),
        line=1,
        message="the word stands here",
        excerpt="OPEN",
        named=named,
    )
    left = tuple(
        Unresolved(
            path=PurePosixPath(f"{number}.txt"), reason=Reason.UNPARSABLE, detail="no syntax"
        )
        for number in range(refused)
    )
    checks = (
        Check(rule="word", criterion="1.1", examined=(place.path,), findings=(place,)),
        *(Check(rule=name, criterion="1.1", examined=(), unresolved=left) for name in "ab"),
    )
    (ruling,) = evaluate.judge(order(criterion()), Case(tree_digest="t", detection={"toy": checks}))
    assert ruling.verdict is Verdict.OPEN
    assert ruling.because.startswith(told)
    assert "closed" not in ruling.because


def test_judge_holds_no_criterion_for_a_place_beside_the_order() -> None:
    """What the order does not speak of is told, and neither opens nor closes a box."""
    found = planner.detect([toy_gap()], OPEN)
    beside = {
        slug: tuple(
            replace(
                check,
                findings=tuple(replace(item, criterion=NO_CRITERION) for item in check.findings),
            )
            for check in checks
        )
        for slug, checks in found.items()
    }
    (seen, *_) = detector_evidence.static_evidence(beside, beside, "tree", NOW)
    assert (seen.passed, seen.observed) == (True, "examined 1; open 0; beside the order 1")
    (ruling,) = evaluate.judge(
        order(criterion(means=Means.LIVE)), Case(tree_digest="tree", detection=beside)
    )
    assert ruling.verdict is Verdict.UNPROVEN
