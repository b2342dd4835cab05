"""The order as data claims every checkbox of the order, once."""

import pytest

from closeout.errors import CloseoutError
from closeout.gaps import GAPS
from closeout.model import Means, Verdict
from closeout.workorders.reader import line_digest, unclaimed
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import criterion, order

LINES = "- [ ] first thing\n- [x] second thing\n"


def _claiming(*lines: str) -> object:
    return order(*(criterion(str(n), source_digest=line_digest(x)) for n, x in enumerate(lines)))


def test_unclaimed_is_empty_when_every_line_has_one_criterion() -> None:
    """A ticked box is the same line as an empty one."""
    assert unclaimed(_claiming("- [ ] first thing", "- [ ] second thing"), LINES) == ()


def test_unclaimed_tells_a_line_without_a_criterion() -> None:
    """A checkbox that nobody answers for is named with its line."""
    (message,) = unclaimed(_claiming("- [ ] first thing"), LINES)
    assert message.startswith("line 2: claimed by no criterion")


def test_unclaimed_tells_a_line_with_two_criteria() -> None:
    """Two criteria for one box would count it twice."""
    messages = unclaimed(_claiming(*["- [ ] first thing"] * 2, "- [ ] second thing"), LINES)
    assert messages == ("line 1: claimed by 2 criteria: - [ ] first thing",)


def test_unclaimed_tells_a_criterion_whose_line_is_gone() -> None:
    """An order that changed no longer matches its data."""
    messages = unclaimed(_claiming("- [ ] first thing", "- [ ] second thing", "- [ ] x"), LINES)
    assert messages == ("criterion 2: its line is not in the file",)


def test_unclaimed_refuses_a_file_without_checkboxes() -> None:
    """The wrong file is not an order that is all claimed."""
    with pytest.raises(CloseoutError):
        unclaimed(order(), "prose")


def test_wo_004_has_every_checkbox_of_the_order() -> None:
    """38 acceptance criteria, 9 manual checks, 10 done-lines, each digest once."""
    ids = [item.id for item in WO_004.criteria]
    assert sum(item[0].isdigit() for item in ids) == 38
    assert sum(item.startswith("M.") for item in ids) == 9
    assert sum(item.startswith("D.") for item in ids) == 10
    assert len({item.source_digest for item in WO_004.criteria}) == 57


def test_every_gap_owns_its_criteria_and_its_place_in_the_order() -> None:
    """The gaps stand in work-order sequence and share out the acceptance criteria."""
    assert {gap.issue: gap.slug for gap in GAPS} == dict(WO_004.issues)
    owned = [number for gap in GAPS for number in gap.criteria]
    assert owned == [item.id for item in WO_004.criteria if item.id[0].isdigit()]


def test_every_criterion_of_wo_004_can_be_settled_by_something() -> None:
    """Every criterion names a command, and an operator's one names what an operator types."""
    operators = [item.settled_by for item in WO_004.criteria if item.means is Means.OPERATOR]
    assert all(item.settled_by for item in WO_004.criteria)
    assert all("nox" not in command for command in operators)
    assert Verdict.UNPROVEN > Verdict.CLOSED
