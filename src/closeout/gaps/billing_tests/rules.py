"""What has to hold of the billing service's tests."""

from __future__ import annotations

from functools import partial

from closeout.gaps.billing_tests import detect
from closeout.harness import suite_install
from closeout.harness.quality_gate import BILLING
from closeout.harness.service_copy import BILLING_SERVICE

survey = partial(suite_install.tested, BILLING_SERVICE)

RULES = (
    *(
        suite_install.rule(
            item.probe.partition(".")[2], item.criterion, partial(detect.tests, item)
        )
        for item in BILLING.minimums
    ),
    suite_install.rule("runner", BILLING.coverage_criterion, detect.runner),
)
