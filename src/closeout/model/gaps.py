"""A gap and a work order as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from closeout.model.commands import Command
from closeout.model.edits import Changeset
from closeout.model.findings import Criterion
from closeout.model.gates import Gate
from closeout.model.probes import Probe, Service
from closeout.model.rules import Rule
from closeout.model.subjects import Subject
from closeout.model.tree import Tree
from closeout.model.verdicts import Ruling


def later(module: str, name: str) -> Callable[[], Any]:
    """Return a function that imports `module` when it is called, and returns its `name`.

    What probes, gates and commands need is slow to import, and no plan asks for it.
    """
    return lambda: getattr(import_module(module), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A departure from the order: its claim, what was measured, what we do instead."""

    id: str
    claim: str
    finding: str
    decision: str
    adr: str = "docs/adr/0006-departures-from-the-order.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One issue of a work order as a value: how to find it, mend it and prove it.

    `fix` computes changesets for the places that are still open on the tree it is given.
    """

    slug: str
    issue: int
    title: str
    priority: str
    criteria: tuple[str, ...]
    fix: Callable[[Tree], tuple[Changeset, ...]]
    brings: tuple[Criterion, ...] = ()
    """The criteria that no work order has: those of a plugin."""
    rules: tuple[Rule, ...] = ()
    """What has to hold on a tree."""
    subjects: tuple[Subject, ...] = ()
    """What a tree has to hold for its criteria, and the order's manual checks, to apply."""
    survey: Callable[[Tree], Any] = lambda tree: tree
    """What all the rules are given of a tree."""
    gates: Callable[[], tuple[Gate, ...]] = tuple
    """Called where they are run: what they need to run, no plan needs."""
    probes: Callable[[], tuple[Probe, ...]] = tuple
    """Called where they are asked: what they need to run, no plan needs."""
    probes_of: Callable[[], Callable[[Tree, Service], tuple[Probe, ...]]] | None = None
    """Loads what returns the probes of a service of the tree that the order does not list."""
    commands: Callable[[], tuple[Command, ...]] = tuple
    """What `invoke` offers for this gap alone."""
    unlisted: frozenset[str] = frozenset()
    """Services that its probes ask and the order does not list: no tree has to have them."""
    packages: frozenset[str] = frozenset()
    """The packages that its probes are about: where one is a stub, they prove nothing."""
    graded: str = ""
    """What the page calls the grades of its live probes; it has none without a name."""
    noted: frozenset[str] = frozenset()
    """Graded probes whose own words tell more than a grade."""
    section: Callable[[Sequence[Ruling]], list[str]] = lambda _: []
    """The Markdown lines that a report tells of its evidence beside the rulings."""
    asks: Callable[[Tree], tuple[str, ...]] = lambda _: ()
    """What a person has to say in closeout.toml, since the tree does not."""
    deviations: tuple[Deviation, ...] = ()
    guide: str = ""
    """The gap's user documentation: problem, before, after (the folder's docstring)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """A work order as data. The gaps are joined to it by issue number, in `closeout.gaps`."""

    id: str
    title: str
    source_sha256: str
    criteria: tuple[Criterion, ...]
    issues: Mapping[int, str]
    """Issue number to gap slug, in the order's sequence."""
