"""Waivers count until their date, and a broken file is an error."""

from datetime import date

import pytest

from closeout import waivers
from closeout.errors import CloseoutError
from closeout.tree import MemoryTree

TODAY = date(2026, 2, 1)
ENTRY = """
[[waiver]]
criterion = "9.2"
who = "Mali"
when = 2026-01-01
why = "the cluster comes next week"
until = {until}
"""


@pytest.mark.parametrize(
    ("until", "counts"),
    [("2026-02-01", True), ("2026-01-31", False), ('"2026-03-01"', True), ('"soon"', False)],
)
def test_load_counts_a_waiver_until_its_date(until: str, counts: bool) -> None:
    """A lapsed or unreadable date counts as expired."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until=until).encode()})
    assert ("9.2" in waivers.load(tree, TODAY)) is counts


def test_load_is_empty_without_the_file() -> None:
    """Nobody has to waive anything."""
    assert waivers.load(MemoryTree({}), TODAY) == {}


@pytest.mark.parametrize(
    "content",
    [
        "not toml [",
        "[[waiver]]\ncriterion = '1.1'\n",
        ENTRY.replace("Mali", " ").format(until="2026-02-01"),
    ],
    ids=["no toml", "no person", "blank person"],
)
def test_load_refuses_a_broken_file(content: str) -> None:
    """A waiver that nobody signed is not silently dropped."""
    with pytest.raises(CloseoutError) as caught:
        waivers.load(MemoryTree({"waivers.toml": content.encode()}), TODAY)
    assert caught.value.reference == "waivers-unusable"
