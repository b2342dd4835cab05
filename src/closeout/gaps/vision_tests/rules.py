"""What has to hold of the vision service's tests, and where it does not."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from closeout.gaps.vision_tests.demand import VISION, VISION_SERVICE
from closeout.harness.quality_gate import Minimum
from closeout.harness.suite_install import Tested, count, is_wanted, lacking, rule, tested
from closeout.model import Located, Subject, Tree
from closeout.parsing import test_files

_SECTIONS = {
    "pytest.ini": re.compile(rb"^\[pytest\]", re.MULTILINE),
    "tox.ini": re.compile(rb"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(rb"^\[tool:pytest\]", re.MULTILINE),
    "pyproject.toml": re.compile(rb"^\[tool\.pytest(\.ini_options)?\]", re.MULTILINE),
}
_FIXTURE = re.compile(rb"^@(pytest\.)?fixture\b", re.MULTILINE)


def configuration(seen: Tested) -> Located:
    """Return whether pytest is configured."""
    return _one_of(pytest_configurations(seen.tree), VISION_SERVICE / "pytest.ini")


def fixtures(seen: Tested) -> Located:
    """Return whether tests can share fixtures."""
    found = tuple(
        path
        for path in seen.paths
        if path.name == "conftest.py" and _FIXTURE.search(seen.tree.read(path) or b"")
    )
    return _one_of(found, VISION_SERVICE / "conftest.py")


def tests(minimum: Minimum, seen: Tested) -> Located:
    """Return where too few tests of one of the services assert."""
    located = count(minimum, test_files.read_python, seen)
    short = tuple(place.path for place in located.places)
    return replace(located, examined=short or located.examined)


def pytest_configurations(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return the service's files that configure pytest."""
    return tuple(
        VISION_SERVICE / name
        for name, section in _SECTIONS.items()
        if section.search(tree.read(VISION_SERVICE / name) or b"")
    )


def _one_of(found: tuple[PurePosixPath, ...], wanted: PurePosixPath) -> Located:
    if found:
        return Located(examined=found)
    return Located(examined=(wanted,), places=(lacking(wanted, wanted.name),))


SUBJECTS = (
    Subject(
        what="vision service that the suite fits",
        criteria=("6.1", "6.2", "6.3", "6.4", "6.5", "M.5"),
        is_in=partial(is_wanted, VISION_SERVICE),
    ),
)

survey = partial(tested, VISION_SERVICE)

RULES = (
    rule(
        "configuration",
        "6.1",
        configuration,
        "pytest is not configured: a bare `pytest` cannot import the service",
    ),
    rule("shared-fixtures", "6.2", fixtures, "no conftest.py has fixtures"),
    *(
        rule(item.probe.partition(".")[2], item.criterion, partial(tests, item))
        for item in VISION.minimums
    ),
)
