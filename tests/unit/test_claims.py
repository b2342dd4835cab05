"""A ticked box without a closed criterion is a false claim, however it is worded."""

import pytest

from closeout.errors import CloseoutError
from closeout.fs.tree import MemoryTree
from closeout.model import Verdict
from closeout.model.verdicts import Ruling
from closeout.workorders import claims
from closeout.workorders.reader import line_digest
from tests.support.builders import criterion, evidence, order

TREE = MemoryTree({"k8s/job.yaml": b""})
LINE = "No wildcard `*` in any service"
FIRST = criterion("1.1", source_digest=line_digest(f"- [ ] {LINE}"))
SECOND = criterion("1.2", source_digest=line_digest("- [ ] Runs (daily)"))
ORDER = order(FIRST, SECOND)


def _rulings() -> list[Ruling]:
    failing = evidence("1.1", passed=False, observed="shared with a stranger")
    return [
        Ruling(criterion=FIRST, verdict=Verdict.OPEN, because="1 open", evidence=(failing,)),
        Ruling(criterion=SECOND, verdict=Verdict.CLOSED, because="ok", evidence=(evidence("1.2"),)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"- [x] {LINE}",
        f"  * [X] {LINE}",
        f"1. [x] {LINE}",
        f"- [x] **{LINE}**",
        f"- [x] {LINE} \u2705",
        f"- [x] {LINE} - done",
        f"- [x] **{LINE}** (verified)",
        "- [x] 1.1 origins are listed",
        "- [x] **1.1** origins are listed",
    ],
)
def test_box_is_known_by_its_line_or_its_number(line: str) -> None:
    """What people add to a box when they tick it does not hide it."""
    (claim,) = claims.read(line, ORDER)
    assert claim.criterion == "1.1"


def test_box_that_belongs_to_no_criterion_is_told_and_not_judged() -> None:
    """An unknown box is neither true nor false."""
    text = f"- [x] {LINE}\n- [x] 9.9 flew to the moon\n- [ ] Runs (daily)\n"
    reading = claims.judge("done.md", text, ORDER, _rulings(), TREE)
    assert [item.line for item in reading.unknown] == [2]
    assert [item.criterion for item in reading.false] == ["1.1"]


def test_ticked_box_in_a_code_fence_claims_nothing() -> None:
    """An example of a report is no report."""
    with pytest.raises(CloseoutError, match="ticks no box"):
        claims.read(f"```\n- [x] {LINE}\n```\n", ORDER)


def test_false_claim_carries_its_ground_and_evidence() -> None:
    """The terminal and the file both say how it is known; a true claim is not listed."""
    text = f"- [x] {LINE}\n- [x] Runs (daily)\n"
    reading = claims.judge("done.md", text, ORDER, _rulings(), TREE)
    assert "shared with a stranger" in claims.told(reading)
    (row,) = claims.to_json(reading)["false_claims"]
    assert row["line"] == 1
    assert row["evidence"][0]["observed"] == "shared with a stranger"


def test_file_that_is_named_as_made_and_absent_is_a_false_claim() -> None:
    """A file that is there, one in an open box and one that nobody says was made are not."""
    text = (
        "- [x] Runs (daily)\n"
        "Created: `k8s/job.yaml`, `k8s/absent.yaml`\n"
        "- [ ] add `k8s/later.yaml`\n"
        "See `docs/plan.md`.\n"
    )
    reading = claims.judge("done.md", text, ORDER, _rulings(), TREE)
    assert [(item.line, item.what) for item in reading.false] == [(2, "k8s/absent.yaml")]
