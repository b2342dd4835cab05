"""What has to hold of the vision service's tests."""

from __future__ import annotations

from functools import partial

from closeout.gaps.vision_tests import detect
from closeout.harness import suite_install
from closeout.harness.quality_gate import VISION
from closeout.harness.service_copy import VISION_SERVICE

survey = partial(suite_install.tested, VISION_SERVICE)

RULES = (
    suite_install.rule(
        "configuration",
        "6.1",
        detect.configuration,
        "pytest is not configured: a bare `pytest` cannot import the service",
    ),
    suite_install.rule("shared-fixtures", "6.2", detect.fixtures, "no conftest.py has fixtures"),
    *(
        suite_install.rule(
            item.probe.partition(".")[2], item.criterion, partial(detect.tests, item)
        )
        for item in VISION.minimums
    ),
)
