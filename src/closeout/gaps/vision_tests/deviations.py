"""Where we depart from the order's vision tests."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-vision-tests-1",
        claim="Running pytest with coverage of the package shows whether it exceeds 60 percent.",
        finding=(
            "The command carries no threshold and ends with 0 at any figure; the service's own "
            "`omit`, exclusion comments, skips and rounding all move the figure."
        ),
        decision=(
            "The gate brings its own coverage configuration and flags, re-reads the JSON, "
            "compares whole counts of statements and branches, wants every source file on the "
            "disk measured, and counts tests that passed and assert."
        ),
    ),
    Deviation(
        id="D-vision-tests-2",
        claim="A pytest.ini with test paths, name patterns and markers is enough.",
        finding=(
            "A bare `pytest` with it ends in `No module named 'app'` where no conftest.py stands "
            "beside the package; misspelt markers and passing xfails go unnoticed."
        ),
        decision="`pythonpath = .`, strict markers, strict configuration and strict xfail.",
    ),
    Deviation(
        id="D-vision-tests-3",
        claim="The shared model fixture is a mock that takes every call.",
        finding="A service that calls a method which no model has passes against such a mock.",
        decision="The mock has `predict` and nothing else; any other call fails.",
    ),
)
