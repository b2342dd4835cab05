"""The domain's values cannot be built in a bad state."""

from datetime import date
from pathlib import PurePosixPath

import pytest

from closeout.model import Edit, ProofKind, Reason, Verdict
from closeout.model.verdicts import Ruling, Waiver
from tests.support.builders import criterion, evidence


def test_ruling_refuses_closed_without_evidence() -> None:
    """A claim of CLOSED needs something that was seen."""
    with pytest.raises(ValueError, match="without passing evidence"):
        Ruling(criterion=criterion(), verdict=Verdict.CLOSED, because="we say so")


def test_ruling_refuses_closed_when_a_probe_did_not_run() -> None:
    """Evidence that did not run is no ground for CLOSED."""
    item = evidence(passed=None)
    with pytest.raises(ValueError, match="without passing evidence"):
        Ruling(criterion=criterion(), verdict=Verdict.CLOSED, because="x", evidence=(item,))


def test_ruling_refuses_closed_against_failing_evidence() -> None:
    """One red probe outweighs any number of green ones."""
    items = (evidence(), evidence(passed=False))
    with pytest.raises(ValueError, match="against failing evidence"):
        Ruling(criterion=criterion(), verdict=Verdict.CLOSED, because="x", evidence=items)


def test_ruling_refuses_waived_without_a_waiver() -> None:
    """WAIVED names the person who accepted it."""
    with pytest.raises(ValueError, match="without a waiver"):
        Ruling(criterion=criterion(), verdict=Verdict.WAIVED, because="x")


def test_waiver_refuses_a_blank_person() -> None:
    """Nobody in particular cannot accept a risk."""
    day = date(2026, 1, 1)
    with pytest.raises(ValueError, match="needs who and why"):
        Waiver(subject="1.1", who=" ", when=day, why="x", until=day)


@pytest.mark.parametrize(
    ("before", "passed", "kind"),
    [
        (False, True, ProofKind.PROOF),
        (True, True, ProofKind.GUARD),
        (None, True, ProofKind.OBSERVED),
        (True, False, ProofKind.REGRESSION),
        (False, False, ProofKind.OPEN),
        (None, False, ProofKind.OPEN),
        (False, None, ProofKind.NOT_RUN),
    ],
)
def test_evidence_kind_tells_what_both_answers_say(
    before: bool | None,
    passed: bool | None,
    kind: ProofKind,
) -> None:
    """Only red then green is proof."""
    assert evidence(before=before, passed=passed).kind is kind


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_edit_refuses_a_path_outside_the_tree(path: str) -> None:
    """No edit can leave the monorepo."""
    with pytest.raises(ValueError, match="outside the tree"):
        Edit(path=PurePosixPath(path), before=None, after=b"x")


def test_edit_refuses_to_change_nothing() -> None:
    """A no-op is not an edit."""
    with pytest.raises(ValueError, match="changes nothing"):
        Edit(path=PurePosixPath("a"), before=b"x", after=b"x")


def test_reason_verdict_blocks_where_a_file_cannot_be_judged() -> None:
    """Moved code is DRIFTED; code that cannot be read is BLOCKED."""
    assert Reason.DRIFTED.verdict is Verdict.DRIFTED
    assert Reason.UNPARSABLE.verdict is Verdict.BLOCKED
    assert Reason.UNREADABLE.verdict is Verdict.BLOCKED
