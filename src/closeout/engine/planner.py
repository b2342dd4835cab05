"""Detect, propose, stage, detect again: the pure half of a close-out. It never names a gap."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from closeout.engine import rules, undelivered
from closeout.engine.patch_series import PreparedSet
from closeout.engine.proposal import propose, surviving
from closeout.fs.tree import Overlay
from closeout.model import (
    Check,
    Edit,
    Gap,
    Proposal,
    Tree,
    Unresolved,
)

_SELDOM = 200_000
"""Objects made before one look for dead cycles: parsing makes many objects and hardly a cycle."""

_NONE: Mapping[str, Unresolved] = MappingProxyType({})

# What is left at the end dies with the process; a last look for cycles would take a tenth of a run.
atexit.register(gc.freeze)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run would write, and what each gap looks like before and after it."""

    before: rules.Detection
    after: rules.Detection
    proposals: tuple[Proposal, ...]
    edits: tuple[Edit, ...]
    """Net edits against the tree, sorted by path."""
    secrets: frozenset[str] = frozenset()
    """Values of the tree that nothing shows or keeps but the undo store."""

    def laid(self, tree: Tree) -> Tree:
        """Return `tree` as the plan would leave it."""
        return Overlay(tree, self.edits)

    @property
    def unresolved(self) -> Mapping[str, tuple[Unresolved, ...]]:
        """Return each gap's places that were left alone, by slug."""
        return {proposal.gap: proposal.unresolved for proposal in self.proposals}


def detect(gaps: Sequence[Gap], tree: Tree) -> rules.Detection:
    """Return every gap's checks on `tree`."""
    with _garbage_seldom_sought():
        return rules.told_once(gaps, {gap.slug: rules.detected(gap, tree) for gap in gaps})


def plan(
    gaps: Sequence[Gap],
    tree: Tree,
    prepared: Callable[[str], PreparedSet],
    refused: Mapping[str, Unresolved] = _NONE,
) -> Plan:
    """Return what to write so that the gaps close; nothing is written.

    `prepared` gives a gap's prepared patches by slug; nothing of a gap in `refused` is planned.
    """
    stopped: dict[str, tuple[Unresolved, ...]] = {slug: (why,) for slug, why in refused.items()}
    withheld: dict[str, tuple[Unresolved, ...]] = {}

    def given(slug: str) -> PreparedSet:
        return prepared(slug).without(withheld.get(slug, ()))

    with _garbage_seldom_sought():
        while True:
            made = _planned(gaps, Overlay(tree), given, stopped)
            failed = {
                proposal.gap: failures
                for proposal in made.proposals
                if proposal.edits and (failures := _failures(made, proposal))
            }
            # What a later gap delivers counts: this is asked of the whole plan.
            stopping = {} if failed else undelivered.stopping(made.proposals, tree, made.laid(tree))
            if not failed and not stopping:
                return made
            # Later gaps have built on the edits that must go now: all is planned again.
            stopped |= failed
            for slug, items in stopping.items():
                held = withheld.get(slug, ())
                if not set(items).isdisjoint(held):
                    # No place of the gap stands there that could be left open.
                    stopped[slug] = items[:1]
                withheld[slug] = (*held, *items)


def _failures(made: Plan, proposal: Proposal) -> tuple[Unresolved, ...]:
    """Return why nothing of the gap may be written, as it turns out once all gaps are planned."""
    after = made.after[proposal.gap]
    if stopped := rules.stops(after, proposal.unresolved):
        return stopped[:1]
    survivors = surviving(proposal, after)
    return (*proposal.unresolved, *survivors) if survivors else ()


def _planned(
    gaps: Sequence[Gap],
    overlay: Overlay,
    prepared: Callable[[str], PreparedSet],
    stopped: Mapping[str, tuple[Unresolved, ...]],
) -> Plan:
    before: dict[str, tuple[Check, ...]] = {}
    proposals = []
    for gap in gaps:
        # Not on the overlay: what an earlier gap writes moves a later one's places.
        before[gap.slug] = rules.detected(gap, overlay.base)
        if gap.slug in stopped:
            proposal = Proposal(gap=gap.slug, edits=(), unresolved=stopped[gap.slug])
        else:
            proposal = propose(gap, overlay, before[gap.slug], prepared(gap.slug))
        for edit in proposal.edits:
            overlay.lay(edit)
        proposals.append(proposal)
    after = _after(gaps, overlay, before)
    laid = overlay.edits
    made = {edit.path for edit in laid if edit.before is None}
    for number, gap in enumerate(gaps):
        # A later gap may have made a file that this one has something to say in.
        anew = any(finding.path in made for finding in rules.findings(after[gap.slug]))
        if anew and gap.slug not in stopped:
            proposal = propose(gap, overlay, after[gap.slug], prepared(gap.slug))
            for edit in proposal.edits:
                overlay.lay(edit)
            proposals[number] = _both(proposals[number], proposal)
    if overlay.edits != laid:
        after = _after(gaps, overlay, before)
    return Plan(
        before=rules.told_once(gaps, before),
        after=rules.told_once(gaps, after),
        proposals=tuple(proposals),
        edits=overlay.edits,
        secrets=rules.secrets(gaps, before, overlay.base),
    )


def _after(gaps: Sequence[Gap], overlay: Overlay, before: rules.Detection) -> rules.Detection:
    if not overlay.edits:
        return before
    return {gap.slug: rules.detected(gap, overlay) for gap in gaps}


@contextmanager
def _garbage_seldom_sought() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(_SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _both(first: Proposal, second: Proposal) -> Proposal:
    return Proposal(
        gap=first.gap,
        edits=(*first.edits, *second.edits),
        patches=(*first.patches, *second.patches),
        unresolved=second.unresolved,
    )
