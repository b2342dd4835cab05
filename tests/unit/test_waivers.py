"""Waivers count until their date, and a broken file is an error."""

from datetime import date

import pytest
from tests.support.builders import criterion

from closeout import waivers
from closeout.errors import CloseoutError
from closeout.model import Verdict
from closeout.rulings import Ruling
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
    assert ("9.2" in waivers.load(tree, TODAY).in_force) is counts


def test_load_is_empty_without_the_file() -> None:
    """Nobody has to waive anything."""
    assert waivers.load(MemoryTree({}), TODAY).in_force == {}


@pytest.mark.parametrize(
    "content",
    [
        "not toml [",
        "[[waiver]]\ncriterion = '1.1'\n",
        ENTRY.replace("Mali", " ").format(until="2026-02-01"),
        ENTRY.replace("who =", "probe = 'x'\nwho =").format(until="2026-02-01"),
    ],
    ids=["no toml", "no person", "blank person", "two subjects"],
)
def test_load_refuses_a_broken_file(content: str) -> None:
    """A waiver that nobody signed is not silently dropped."""
    with pytest.raises(CloseoutError) as caught:
        waivers.load(MemoryTree({"waivers.toml": content.encode()}), TODAY)
    assert caught.value.reference == "waivers-unusable"


@pytest.mark.parametrize(
    ("until", "notice"),
    [
        ("2026-02-15", "ends in 14 days"),
        ("2026-02-16", None),
        ("2026-01-31", "expired on 2026-01-31"),
        ('"soon"', "expired on a date that cannot be read"),
    ],
)
def test_load_warns_before_a_waiver_ends_and_after(until: str, notice: str | None) -> None:
    """Fourteen days before the end there is a warning, and a lapsed waiver is told."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until=until).encode()})
    told = " ".join(waivers.load(tree, TODAY).notices)
    assert (notice in told) if notice else not told


def test_unused_tells_a_waiver_that_nothing_needed() -> None:
    """A waiver that outlived its reason is told, so that it can go."""
    tree = MemoryTree({"waivers.toml": ENTRY.format(until="2026-06-01").encode()})
    register = waivers.load(tree, TODAY)
    assert waivers.unused(register, []) == ("waiver of 9.2 is not needed any more",)
    (needed,) = register.in_force.values()
    ruling = Ruling(criterion=criterion("9.2"), verdict=Verdict.WAIVED, because="x", waiver=needed)
    assert waivers.unused(register, [ruling]) == ()
