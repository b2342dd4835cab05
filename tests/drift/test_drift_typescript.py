"""Drifted Express services: every case is planned, detected again, repeated and undone."""

import difflib
from pathlib import Path

import pytest

from tests.drift import matrix, staging
from tests.drift.cases import Case, Outcome, load
from tests.drift.staging import Staged

OURS = ("rate-limit", "factory-secret")
FEWEST = 12
"""Ways of drifting that the matrix must cover for each gap, beside those closed already."""
MOST_LINES_CHANGED = 4
"""A fix replaces these of a source at most; the others it adds."""


def _cases() -> list[Case]:
    return [case for slug in OURS for case in load(slug)]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case.gap}: {case.name}")
def test_fix_of_a_drifted_service_does_what_its_case_says(case: Case) -> None:
    """Fixed, refused with the reason, or left alone; spelling kept, repeated, undone."""
    staged = staging.stage(case)
    assert staged.faults == ()
    assert _untouched(staged)


@pytest.mark.parametrize("slug", OURS)
def test_matrix_covers_enough_ways_of_drifting(slug: str) -> None:
    """At least twelve defects, some that are closed already, and one file that does not parse."""
    cases = load(slug)
    defects = [case for case in cases if case.expect is not Outcome.LEFT_ALONE]
    assert len(defects) >= FEWEST
    assert len(cases) - len(defects) >= 2
    assert any(case.reason and case.reason.value == "unparsable" for case in cases)


def _untouched(staged: Staged) -> bool:
    """Return whether all but a few lines of every source are there still, byte for byte."""
    for edit in staged.edits:
        if edit.before is None or edit.path.suffix not in {".ts", ".js"}:
            continue
        before, after = (text.splitlines(keepends=True) for text in (edit.before, edit.after))
        blocks = difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()
        gone = sum(end - start for kind, start, end, _, _ in blocks if kind != "equal")
        if gone > MOST_LINES_CHANGED:
            return False
    return True


@pytest.mark.parametrize("slug", OURS)
def test_page_tells_of_every_case_and_no_other(slug: str) -> None:
    """The kept table was made from the cases as they are, and nothing in it failed."""
    page = (Path(__file__).parents[2] / matrix.PAGE).read_text()
    section = page.split(f"\n## {slug}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
    told = {row[0].removeprefix("| "): row[1].split(" (")[0] for row in rows}
    assert told == {case.name: case.expect.value for case in load(slug)}
