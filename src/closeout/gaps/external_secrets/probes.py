"""Ask the cluster, where there is one, whether the operator runs and the secrets arrive."""

from __future__ import annotations

from collections.abc import Callable

from closeout.gaps.external_secrets.probing.cluster import QUESTIONS
from closeout.harness.cluster import Question
from closeout.model import Observation, Probe, ProbeContext


def _asking(question: Question) -> Callable[[ProbeContext], Observation]:
    def ask(context: ProbeContext) -> Observation:
        """Ask only where the caller names its kubectl: a probe reaches for no cluster by itself."""
        kubectl = context.settings.get("kubectl")
        return question.ask(kubectl) if kubectl else question.unasked("kubectl")

    return ask


PROBES = tuple(
    Probe(id=question.id, criterion=question.criterion, needs=("cluster",), run=_asking(question))
    for question in QUESTIONS
)
