"""The vision service's tests say nothing about what it does.

Problem: `edge-vision-inference` weighs and counts animals, and its one test queues a job. There is
no pytest configuration, so a bare `pytest` cannot even import `app`.

Before: one file, one test, no configuration, no shared fixtures.
After: `pytest.ini` (with `pythonpath`, strict markers and strict xfail), `conftest.py`, tests of
the inference service, of the job service and of the HTTP interface.
`nox -s vision_pytest` runs them in random order under forced flags and counts for itself.
Of two suites the one is installed that fits what the service exports: a model that is handed in and
jobs in memory, as the order has them in mind, or async services over an asyncpg pool. A file that
stands in the service is never overwritten, and a file of the suite is installed only where the
service has every name and route that it uses. Where no suite fits, what the service exports and no
test names is listed, and a FastAPI app gets a running start, which asks what its own OpenAPI offers
with made-up values; it is told as such, and no criterion of named tests is closed.
"""

from __future__ import annotations

from closeout.gaps.vision_tests.deviations import DEVIATIONS
from closeout.gaps.vision_tests.fix import fix
from closeout.gaps.vision_tests.rules import RULES, SUBJECTS, survey
from closeout.model import Gap, later

GAP = Gap(
    slug="vision-tests",
    issue=6,
    title="Tests of the vision service",
    priority="P1",
    criteria=("6.1", "6.2", "6.3", "6.4", "6.5"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    gates=later(f"{__name__}.gates", "GATES"),
    deviations=DEVIATIONS,
    guide=__doc__,
)
