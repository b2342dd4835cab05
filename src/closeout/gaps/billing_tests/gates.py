"""The billing suite, and its score by mutation."""

from __future__ import annotations

from closeout.gaps.billing_tests.probing import mutation, suite
from closeout.gaps.billing_tests.suites import BILLING
from closeout.harness import offline
from closeout.harness.quality_gate import Rows
from closeout.model import Gate, GateContext, Means


def _suite(context: GateContext) -> Rows:
    with offline.database(context.scratch / "postgres", context.cache) as dsn:
        return suite.run(context.root, context.scratch, cache=context.cache, dsn=dsn)


GATES = (
    Gate(
        name="billing",
        session="billing_jest",
        means=Means.SUITE,
        criteria=BILLING.criteria,
        run=_suite,
        suite=True,
        audited=True,
    ),
    Gate(
        name="mutation",
        session="mutation",
        means=Means.SUITE,
        criteria=(BILLING.coverage_criterion,),
        run=lambda asked: mutation.run(
            asked.root, asked.scratch, cache=asked.cache, kept=asked.cache / "mutation"
        ),
    ),
)
