"""The benchmark on generated monorepos: what it prints, and that a lost peer is named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tools.bench import monorepos
from tools.bench.monorepos import Contender, Cost

if TYPE_CHECKING:
    from pathlib import Path

COSTS = {
    "closeout: plan": Cost(cpu=1.0, wall=1.0, megabytes=120.0),
    "fast peer": Cost(cpu=0.5, wall=0.4, megabytes=10.0),
    "lost peer": None,
}


def test_measure_gives_the_cost_of_each_and_none_for_a_lost_one(tmp_path: Path) -> None:
    """A program that is not there, or that fails, has no figures instead of good ones."""
    tree = tmp_path / "tree"
    tree.mkdir()
    field = (
        Contender(name="here", argv=(sys.executable, "-c", "pass", "{tree}")),
        Contender(name="lost", argv=(str(tmp_path / "no-such-program"), "{tree}")),
        Contender(name="fails", argv=(sys.executable, "-c", "raise SystemExit(3)")),
    )
    costs = monorepos.measure(field, tree, rounds=1)
    here = costs["here"]
    assert here is not None
    assert here.cpu > 0
    assert here.megabytes > 1
    assert costs["lost"] is None
    assert costs["fails"] is None


def test_table_says_how_our_plan_compares_and_what_is_missing() -> None:
    """The ratio is our plan's CPU to the other's; a peer without figures is named as missing."""
    lines = "\n".join(monorepos.table(COSTS, "a tree"))
    assert "2.00" in next(line for line in lines.splitlines() if "fast peer" in line)
    assert "MISSING" in next(line for line in lines.splitlines() if "lost peer" in line)


def test_growth_compares_the_sizes_and_the_peak_with_its_limit() -> None:
    """Ten times the tree is said as a factor, and a peak over the limit is called so."""
    large = {**COSTS, "closeout: plan": Cost(cpu=8.0, wall=8.0, megabytes=151.0)}
    lines = "\n".join(monorepos.growth(COSTS, large))
    assert "8.0 times" in lines
    assert "ABOVE 150 MB" in lines
