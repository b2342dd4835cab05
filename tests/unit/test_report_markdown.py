"""Whoever has the Markdown alone knows what is closed, what is not, and how to see it himself."""

import re

import pytest

from closeout.model import Verdict
from closeout.reporting import markdown
from tests.support import reports

ROW = re.compile(r"(?<!\\)\|")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    """Return the cells of each criterion's row of the Markdown, by the criterion's id."""
    lines = markdown.to_markdown(reports.made()).splitlines()
    start = lines.index("| criterion | verdict | because | proven by |")
    found = {}
    for line in lines[start + 2 :]:
        if not line:
            return found
        cells = [cell.strip() for cell in ROW.split(line)[1:-1]]
        found[cells[0].split()[0]] = cells
    return found


def test_markdown_tells_each_verdict_in_words(rows: dict[str, list[str]]) -> None:
    """Closed, unproven, waived, blocked and open criteria are told apart without colours."""
    made = {ruling.criterion.id: ruling.verdict.name for ruling in reports.made().rulings}
    assert {number: cells[1] for number, cells in rows.items()} == made
    assert {"CLOSED", "WAIVED", "UNPROVEN", "BLOCKED", "OPEN"} <= set(made.values())


def test_markdown_names_the_command_of_every_proof(rows: dict[str, list[str]]) -> None:
    """A closed criterion names what settles it and what was run; an unproven one what would."""
    for ruling in reports.made().rulings:
        proven = rows[ruling.criterion.id][3]
        if ruling.verdict is Verdict.CLOSED:
            assert f"`{ruling.criterion.settled_by}`" in proven
            assert any(f"`{item.command}`" in proven for item in ruling.evidence)
        if ruling.verdict is Verdict.UNPROVEN:
            assert proven == f"settle it by `{ruling.criterion.settled_by}`"


def test_markdown_names_who_waived_and_until_when(rows: dict[str, list[str]]) -> None:
    """A waiver is a person's word, with a day on which it ends."""
    assert rows[reports.WAIVED][2].startswith("Mali accepted 2.1 until 2026-09-01")
    assert "- waiver of 2.1 by Mali ends in 3 days" in markdown.to_markdown(reports.made())


def test_markdown_shows_a_command_as_it_is_typed() -> None:
    """In code nothing is escaped but what would end the cell."""
    made = reports.made(text="a < b & c")
    assert "&lt;" in markdown.to_markdown(made)
    commands = re.findall(r"`([^`]*)`", markdown.to_markdown(made))
    assert not [command for command in commands if "&lt;" in command or "&amp;" in command]


def test_markdown_fits_a_pull_request() -> None:
    """GitHub takes 65,536 characters; ten thousand open places do not fill them."""
    assert len(markdown.to_markdown(reports.made(findings=10_000, text="x" * 5000))) < 65_536
