"""The report says which RPO each way back gives, and says nothing of one that was not tried."""

from dataclasses import replace

import pytest

from closeout.gaps.backup import rpo
from closeout.model import Measure, Verdict
from closeout.reporting import markdown
from closeout.reporting.report import Report
from tests.support import reports

ARCHIVED = (
    Measure(name="RPO", value=301.5, unit="s"),
    Measure(name="lost in the rehearsal", value=1.4, unit="s"),
)
NIGHTLY = (Measure(name="RPO", value=86400, unit="s"),)


def tried(*probes: tuple[str, tuple[Measure, ...], bool | None]) -> Report:
    """Return a report with the evidence of these probes and no other."""
    made = reports.made()
    ruling = next(item for item in made.rulings if item.evidence)
    proofs = tuple(
        replace(ruling.evidence[0], probe=probe, measures=measures, passed=passed)
        for probe, measures, passed in probes
    )
    return replace(made, rulings=(replace(ruling, verdict=Verdict.OPEN, evidence=proofs),))


def test_section_tells_the_rpo_of_both_ways() -> None:
    """A day by the dump, five minutes by archived WAL, and what the rehearsal lost."""
    made = tried(("backup.restore-drill", NIGHTLY, True), ("backup.point-in-time", ARCHIVED, True))
    text = "\n".join(rpo.section(made.rulings))
    assert "| the nightly logical dump | 24 hours | yes |" in text
    assert "5.0 minutes; 1.4 s were lost in the rehearsal | yes |" in text


@pytest.mark.parametrize(("passed", "word"), [(None, "not run"), (False, "NO")])
def test_section_promises_nothing_that_was_not_restored(passed: bool | None, word: str) -> None:
    """A way that failed or did not run has no figure."""
    lines = rpo.section(tried(("backup.point-in-time", (), passed)).rulings)
    assert lines[-2] == f"| archived WAL (pgBackRest) | not measured | {word} |"


def test_markdown_has_the_section_only_where_a_way_was_tried() -> None:
    """A report of another session is not filled up with blanks."""
    title = "## What a disaster may cost"
    whole = reports.made()
    more = tried(("backup.restore-drill", NIGHTLY, True)).rulings
    assert title in markdown.to_markdown(replace(whole, rulings=(*more, *whole.rulings[1:])))
    assert rpo.section(()) == []
