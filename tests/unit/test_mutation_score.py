"""A suite's score counts whole changes: what was hidden or not reached was not seen."""

import json

import pytest

from closeout.gaps.billing_tests.probing.mutation import read_stryker
from closeout.gaps.billing_tests.suites import BILLING
from closeout.gaps.vision_tests.probing.mutation import read_mutmut
from closeout.gaps.vision_tests.suites import VISION
from closeout.harness import mutation_score

STATUSES = ("Killed", "Timeout", "Survived", "NoCoverage", "Ignored", "CompileError")


def report(*statuses: str) -> bytes:
    """Return a Stryker report of one file whose changes ended so."""
    mutants = [
        {"status": status, "mutatorName": "Xor", "location": {"start": {"line": line}}}
        for line, status in enumerate(statuses, start=1)
    ]
    return json.dumps({"files": {"src/services/a.ts": {"mutants": mutants}}}).encode()


def test_stryker_report_counts_as_missed_what_was_hidden_or_not_reached() -> None:
    """A change that does not compile is none; an ignored one is not taken out of the score."""
    mutants = read_stryker(report(*STATUSES))

    assert (mutants.seen, mutants.total, mutants.files) == (2, 5, 1)
    assert mutants.missed[-1] == "src/services/a.ts:5 Xor"


@pytest.mark.parametrize("written", [b"", b"{", b"{}"])
def test_stryker_report_counts_nothing_when_it_cannot_be_read(written: bytes) -> None:
    """No report is no score."""
    assert read_stryker(written).total == 0


def test_mutmut_results_count_as_missed_what_no_test_failed_on() -> None:
    """Survived, without tests, skipped, suspicious, crashed and not checked are not seen."""
    codes = [1, 3, 24, -24, 36, 152, 255, 0, 5, 33, 34, 35, 37, 2, -11, None]
    left = {
        "a.py.meta": {"exit_code_by_key": {str(n): code for n, code in enumerate(codes)}},
        "b.py.meta": {"exit_code_by_key": {}},
    }

    mutants = read_mutmut(left)

    assert (mutants.seen, mutants.total, mutants.files) == (7, 16, 1)


@pytest.mark.parametrize(
    ("seen", "missed", "passed"),
    [(80, 20, True), (799, 201, False), (7999, 2001, False), (1, 0, True), (0, 0, False)],
)
def test_score_passes_when_whole_changes_reach_the_floor(
    seen: int, missed: int, passed: bool
) -> None:
    """79.99 percent is not 80, and a score of nothing is none."""
    found = mutation_score.Mutants(seen=seen, missed=("x",) * missed, files=1)

    (row,) = mutation_score.judge(VISION, found, command="mutmut", told=())

    assert (row[0], row[1]) == ("vision-tests.mutation-score", "6.5")
    assert row[2].passed is passed


def test_score_names_places_that_nothing_saw_when_there_are_some() -> None:
    """Who wants to raise the score is told where to begin."""
    found = mutation_score.Mutants(seen=9, missed=("src/services/a.ts:5 Xor",), files=1)

    (row,) = mutation_score.judge(BILLING, found, command="stryker", told=("no network",))

    assert row[2].observed == (
        "9 of 10 changes seen (90.00 %); 1 files changed; "
        "not seen among others: src/services/a.ts:5 Xor; no network"
    )


def test_score_says_why_when_nothing_could_be_scored() -> None:
    """A suite that fails as it is has no score; the tool's own words tell why."""
    found = mutation_score.Mutants(seen=0, missed=(), files=0)

    (row,) = mutation_score.judge(
        BILLING, found, command="s", told=(), output="ok\nERROR: it broke\n"
    )

    assert row[2].passed is False
    assert row[2].observed == "nothing was scored; ERROR: it broke"
