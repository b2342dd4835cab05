"""The vision suite, and its score by mutation."""

from __future__ import annotations

from closeout.gaps.vision_tests.probing import mutation, suite
from closeout.gaps.vision_tests.suites import VISION
from closeout.model import Gate, Means

GATES = (
    Gate(
        name="vision",
        session="vision_pytest",
        means=Means.SUITE,
        criteria=VISION.criteria,
        run=lambda asked: suite.run(asked.root, asked.scratch, python=asked.interpreter),
        requirements="requirements/vision.txt",
        suite=True,
        audited=True,
    ),
    Gate(
        name="mutation",
        session="mutation",
        means=Means.SUITE,
        criteria=(VISION.coverage_criterion,),
        run=lambda asked: mutation.run(
            asked.root, asked.scratch, python=asked.interpreter, kept=asked.cache / "mutation"
        ),
        requirements="requirements/mutation.txt",
    ),
)
