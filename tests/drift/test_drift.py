"""Drifted services: every case is planned, detected again, repeated and undone; no boots here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from closeout.errors import ExitCode
from tests import drift
from tests.drift import Judgement, Row, Tools, matrix, staging
from tests.drift.cases import Case, Outcome, load, variant
from tests.drift.staging import Staged

OURS = ("cors", "headers", "sql")
FEWEST = 12
"""Ways of drifting that the matrix must cover for each gap, beside those closed already."""


def _cases() -> list[Case]:
    return [case for slug in OURS for case in load(slug)]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case.gap}: {case.name}")
def test_fix_of_a_drifted_service_does_what_its_case_says(case: Case) -> None:
    """Fixed, refused with the reason, or left alone; spelling kept, repeated, undone."""
    assert staging.stage(case).faults == ()


@pytest.mark.parametrize("slug", OURS)
def test_matrix_covers_enough_ways_of_drifting(slug: str) -> None:
    """At least twelve defects, some that are closed already, and one file that does not parse."""
    cases = load(slug)
    defects = [case for case in cases if case.expect is not Outcome.LEFT_ALONE]
    assert len(defects) >= FEWEST
    assert len(cases) - len(defects) >= 2
    assert any(case.reason and case.reason.value == "unparsable" for case in cases)


@pytest.mark.parametrize("slug", OURS)
def test_page_tells_of_every_case_and_no_other(slug: str) -> None:
    """The kept table was made from the cases as they are, and nothing in it failed."""
    page = (Path(__file__).parents[2] / matrix.PAGE).read_text()
    section = page.split(f"\n## {slug}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
    told = {row[0].removeprefix("| "): row[1].split(" (")[0] for row in rows}
    assert told == {case.name: case.expect.value for case in load(slug)}


def _row(staged: Staged, *, passed: bool | None) -> Row:
    return Row(staged=staged, judgement=Judgement(passed=passed, told="as told"))


def test_table_and_code_show_what_failed_and_what_nobody_asked() -> None:
    """A fault of behaviour is a gap left, a case without an answer is unproven."""
    staged = staging.stage(load("headers")[0])
    rows = {passed: _row(staged, passed=passed) for passed in (True, False, None)}
    assert drift.code([rows[True]]) is ExitCode.SETTLED
    assert drift.code([rows[True], rows[None]]) is ExitCode.UNPROVEN
    assert drift.code([rows[None], rows[False]]) is ExitCode.GAPS_LEFT
    assert drift.code([]) is ExitCode.UNPROVEN
    assert "| **FAILED**: fixed | prepared | as told |" in drift.table([rows[False]])
    assert "| **NOT JUDGED**: fixed | prepared | as told |" in drift.table([rows[None]])


def test_run_asks_the_judge_of_the_gap_about_every_case() -> None:
    """Each case gets the answer that carries its name; a gap without a judge is not judged."""
    asked: list[str] = []

    def judge(staged: Sequence[Staged], scratch: Path, tools: Tools) -> Mapping[str, Judgement]:
        assert scratch.is_dir()
        assert tools.python is None
        asked.extend(item.case.name for item in staged)
        return {name: Judgement(passed=True, told=name) for name in asked}

    rows = drift.run(["headers"], Tools(), {"headers": judge})
    assert asked == [case.name for case in load("headers")]
    assert [row.judgement.told for row in rows] == asked


def test_stage_faults_a_case_whose_expectation_is_wrong() -> None:
    """The harness itself can fail: a defect that is said to be closed is a fault."""
    first = load("cors")[0]
    wrong = Case(
        gap=first.gap,
        name=first.name,
        service=first.service,
        file=first.file,
        expect=Outcome.LEFT_ALONE,
        reason=None,
        steps=first.steps,
    )
    assert staging.stage(wrong).faults == ("fixed, not left alone",)


def test_variant_refuses_a_step_that_finds_nothing() -> None:
    """A case that has drifted away from the reference itself is an error, not a green row."""
    first = load("cors")[0]
    stale = Case(
        gap=first.gap,
        name=first.name,
        service=first.service,
        file=first.file,
        expect=first.expect,
        reason=None,
        steps=({"replace": "no such line", "by": ""},),
    )
    with pytest.raises(ValueError, match="no such line"):
        variant(stale, staging.reference())
