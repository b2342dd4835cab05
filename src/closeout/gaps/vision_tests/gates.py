"""The vision suite, and its score by mutation."""

from __future__ import annotations

from closeout.gaps.vision_tests.demand import VISION
from closeout.gaps.vision_tests.probing import mutation, suite
from closeout.harness.quality_gate import Rows
from closeout.model import Gate, GateContext, Means


def _suite(context: GateContext) -> Rows:
    return suite.run(context.root, context.scratch, python=context.interpreter)


def _score(context: GateContext) -> Rows:
    kept = context.cache / "mutation"
    return mutation.run(context.root, context.scratch, python=context.interpreter, kept=kept)


GATES = (
    Gate(
        name="vision",
        session="vision_pytest",
        means=Means.SUITE,
        criteria=VISION.criteria,
        run=_suite,
        requirements="requirements/vision.txt",
        suite=True,
        audited=True,
    ),
    Gate(
        name="mutation",
        session="mutation",
        means=Means.SUITE,
        criteria=(VISION.coverage_criterion,),
        run=_score,
        requirements="requirements/mutation.txt",
    ),
)
