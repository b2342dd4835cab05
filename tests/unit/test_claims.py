"""A ticked box without a closed criterion is a false claim, however it is worded."""

from dataclasses import replace

import pytest

from closeout.errors import CloseoutError
from closeout.fs.tree import MemoryTree
from closeout.model import Verdict
from closeout.model.verdicts import Ruling
from closeout.reporting import page
from closeout.reporting.documents import ClaimOutcome
from closeout.reporting.markdown import to_markdown
from closeout.reporting.report import Report, to_json
from closeout.workorders import claim_reader, claims
from closeout.workorders.reader import line_digest
from tests.support.builders import criterion, evidence, order, toy_gap

TREE = MemoryTree({"k8s/job.yaml": b""})
LINE = "No wildcard `*` in any service"
FIRST = criterion("1.1", source_digest=line_digest(f"- [ ] {LINE}"))
SECOND = criterion("1.2", source_digest=line_digest("- [ ] Runs (daily)"))
ORDER = order(FIRST, SECOND)


def _report() -> Report:
    return Report(
        work_order=ORDER,
        gaps=(toy_gap(criteria=("1.1", "1.2")),),
        root="/repo",
        tree_digest="d" * 64,
        run_id="run",
        rulings=tuple(_rulings()),
        before={"toy": 1},
        after={"toy": 1},
        unnamed_before={"toy": 0},
        unresolved={},
    )


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
    (claim,) = claim_reader.read(line, ORDER)
    assert claim.criteria == ("1.1",)


def test_box_that_belongs_to_no_criterion_is_told_and_not_judged() -> None:
    """An unknown box is neither true nor false."""
    text = f"- [x] {LINE}\n- [x] 9.9 flew to the moon\n- [ ] Runs (daily)\n"
    reading = claims.judge("done.md", text, ORDER, _rulings(), TREE)
    assert [item.line for item in reading.unknown] == [2]
    assert [item.criterion for item in reading.false] == ["1.1"]


def test_ticked_box_in_a_code_fence_claims_nothing() -> None:
    """An example of a report is no report."""
    with pytest.raises(CloseoutError, match="ticks no box"):
        claim_reader.read(f"```\n- [x] {LINE}\n```\n", ORDER)


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
    held = reading.ended(ClaimOutcome.HELD)
    assert [(item.line, item.what) for item in held] == [
        (1, SECOND.text),
        (2, "k8s/job.yaml"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "### 1. Origins \u2705",
        "## Issue 1: origins (COMPLETED)",
        "- **Gap #1** origins: done",
        "| 1 | origins | \u2705 Complete |",
        "| #1 | origins | 100 % |",
        "* Task 1 - Fixed",
    ],
)
def test_line_about_an_issue_stands_for_all_of_its_criteria(line: str) -> None:
    """The worst of them says how it ends, with its ground."""
    reading = claims.judge("done.md", line, ORDER, _rulings(), TREE)
    (claim,) = reading.claims
    assert (claim.outcome, claim.criterion) == (ClaimOutcome.FALSE, "1.1")


@pytest.mark.parametrize(
    "line",
    [
        "### 1. Origins",
        "Issue 1 is done, and we are glad.",
        "- Gap 1: not done",
        "| 1 | origins | \u274c |",
        "- [ ] Issue 1: done",
        "- Gap 1: partially fixed",
        "- see 1.1 for what was done by whom",
    ],
)
def test_line_that_marks_nothing_as_done_claims_nothing(line: str) -> None:
    """A heading alone, a sentence, an open box and a denial are no claims."""
    (held,) = claim_reader.read(f"- [x] Runs (daily)\n{line}\n", ORDER)
    assert held.criteria == ("1.2",)


def test_every_claim_ends_in_one_of_four_ways() -> None:
    """None is dropped: counts, the file and the terminal hold all of them."""
    text = (
        f"- [x] {LINE}\n"
        "- [x] Runs (daily)\n"
        "- [x] 1.3 arrives in the cluster\n"
        "- [x] flew to the moon\n"
        "| Launch | \u2705 done |\n"
    )
    third = criterion("1.3")
    waits = Ruling(criterion=third, verdict=Verdict.UNPROVEN, because="needs a cluster")
    reading = claims.judge("d.md", text, order(FIRST, SECOND, third), [*_rulings(), waits], TREE)
    assert [item.outcome for item in reading.claims] == [
        ClaimOutcome.FALSE,
        ClaimOutcome.HELD,
        ClaimOutcome.UNPROVABLE,
        ClaimOutcome.UNKNOWN,
        ClaimOutcome.UNKNOWN,
    ]
    made = claims.to_json(reading)
    assert made["counts"] == {
        "held": 1,
        "false": 1,
        "not provable here": 1,
        "not understood": 2,
    }
    assert [row["line"] for row in made["claims"]] == [1, 2, 3, 4, 5]
    told = claims.told(reading)
    assert "5 claims: 1 held, 1 false, 1 not provable here, 2 not understood" in told
    assert "needs a cluster" in told


def test_report_shows_how_claims_end_before_anything_else() -> None:
    """Markdown has the counts and every claim that does not hold, the page all of them."""
    text = f"- [x] {LINE}\n- [x] Runs (daily)\n- [x] flew <b>home</b>\n"
    reading = claims.judge("done.md", text, ORDER, _rulings(), TREE)
    rows = tuple(item.row for item in reading.claims)
    made = replace(_report(), claims=rows)
    lines = to_markdown(made).splitlines()
    counted = lines.index("3 claims: 1 held, 1 false, 1 not understood.")
    assert counted < lines.index("| gap | before | after | verdict |")
    assert sum(line.startswith("| line ") for line in lines) == 2
    shown = page.render(to_json(made), ()).decode()
    assert shown.index('id="claims"') < shown.index('id="gaps"')
    assert [shown.count(f"line {row.line}: ") for row in rows] == [1, 1, 1]
    assert "flew <b>home" not in shown
    assert 'id="claims"' not in page.render(to_json(_report()), ()).decode()
