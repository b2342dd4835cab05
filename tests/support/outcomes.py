"""What a probe's two answers say, as the evidence of them says it."""

from __future__ import annotations

from closeout.harness.probe_runner import ProbeOutcome
from closeout.model import ProofKind


def kind_of(outcome: ProbeOutcome) -> ProofKind:
    """Return what the answers before and after the fix say together."""
    before = None if outcome.before is None else outcome.before.passed
    return ProofKind.of(before, outcome.after.passed)
