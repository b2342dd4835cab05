"""Find what is missing of the vision service's tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from closeout.fs.tree import below
from closeout.gaps.vision_tests.demand import VISION, VISION_SERVICE
from closeout.harness.quality_gate import Minimum
from closeout.model import Check, Finding, Reason, Tree, Unresolved
from closeout.parsing import test_files

SLUG = "vision-tests"

_SECTIONS = {
    "pytest.ini": re.compile(rb"^\[pytest\]", re.MULTILINE),
    "tox.ini": re.compile(rb"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(rb"^\[tool:pytest\]", re.MULTILINE),
    "pyproject.toml": re.compile(rb"^\[tool\.pytest(\.ini_options)?\]", re.MULTILINE),
}
_FIXTURE = re.compile(rb"^@(pytest\.)?fixture\b", re.MULTILINE)


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return a check for the configuration, the fixtures and each service's test file."""
    paths = below(tree, VISION_SERVICE)
    if not paths:
        rules = ("6.1", "6.2", *(item.criterion for item in VISION.minimums))
        return tuple(Check(rule="tests", criterion=rule, examined=()) for rule in rules)
    return (
        _configuration(tree),
        _fixtures(paths, tree),
        *(_tests(item, paths, tree) for item in VISION.minimums),
    )


def pytest_configurations(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return the service's files that configure pytest."""
    return tuple(
        VISION_SERVICE / name
        for name, section in _SECTIONS.items()
        if section.search(tree.read(VISION_SERVICE / name) or b"")
    )


def _configuration(tree: Tree) -> Check:
    found = pytest_configurations(tree)
    place = VISION_SERVICE / "pytest.ini"
    message = "pytest is not configured: a bare `pytest` cannot import the service"
    return _check("configuration", "6.1", found, place, message)


def _fixtures(paths: Sequence[PurePosixPath], tree: Tree) -> Check:
    found = tuple(
        path
        for path in paths
        if path.name == "conftest.py" and _FIXTURE.search(tree.read(path) or b"")
    )
    place = VISION_SERVICE / "conftest.py"
    return _check("shared-fixtures", "6.2", found, place, "no conftest.py has fixtures")


def _tests(minimum: Minimum, paths: Sequence[PurePosixPath], tree: Tree) -> Check:
    rule = minimum.probe.partition(".")[2]
    found = tuple(path for path in paths if path.name == minimum.file)
    suites = {path: test_files.read_python(tree.read(path) or b"") for path in found}
    unresolved = tuple(
        Unresolved(path=path, reason=Reason.UNPARSABLE, line=suite.error_line, detail="no syntax")
        for path, suite in suites.items()
        if suite.error_line is not None
    )
    counted = sum(suite.asserting for suite in suites.values())
    if unresolved:
        return Check(rule=rule, criterion=minimum.criterion, examined=found, unresolved=unresolved)
    place = found[0] if found else VISION_SERVICE / "tests" / minimum.file
    message = f"{counted} of {minimum.tests} tests that assert"
    enough = found if counted >= minimum.tests else ()
    return _check(rule, minimum.criterion, enough, place, message)


def _check(
    rule: str,
    criterion: str,
    found: tuple[PurePosixPath, ...],
    place: PurePosixPath,
    message: str,
) -> Check:
    finding = Finding(
        gap=SLUG,
        rule=rule,
        criterion=criterion,
        path=place,
        line=1,
        message=message,
        excerpt=place.name,
        named=True,
    )
    return Check(
        rule=rule,
        criterion=criterion,
        examined=found or (place,),
        findings=() if found else (finding,),
    )
