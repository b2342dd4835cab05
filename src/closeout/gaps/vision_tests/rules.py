"""What has to hold of the vision service's tests, and where it does not."""

from __future__ import annotations

import ast
import configparser
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from closeout.gaps.vision_tests.suites import VISION, VISION_SERVICE
from closeout.harness.quality_gate import Minimum
from closeout.harness.suite_install import Tested, count, is_wanted, lacking, rule, tested
from closeout.model import Located, Subject, Tree
from closeout.parsing import test_files
from closeout.parsing.python import parse

_SECTIONS = {"pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}
_PROJECT = "pyproject.toml"


def configuration(seen: Tested) -> Located:
    """Return whether pytest is configured."""
    return _one_of(pytest_configurations(seen.tree), VISION_SERVICE / "pytest.ini")


def fixtures(seen: Tested) -> Located:
    """Return whether tests can share fixtures."""
    found = tuple(
        path
        for path in seen.paths
        if path.name == "conftest.py" and _has_fixtures(seen.tree.read(path) or b"")
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
        for name in (*_SECTIONS, _PROJECT)
        if _configures(name, tree.read(VISION_SERVICE / name) or b"")
    )


def _configures(name: str, content: bytes) -> bool:
    """Return whether a file has pytest's own section, as its own parser reads it."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    try:
        if name == _PROJECT:
            return "pytest" in tomllib.loads(text).get("tool", {})
        read = configparser.RawConfigParser(allow_no_value=True, strict=False)
        read.read_string(text)
    except (configparser.Error, tomllib.TOMLDecodeError):
        return False
    return read.has_section(_SECTIONS[name])


def _has_fixtures(content: bytes) -> bool:
    """Return whether the file defines a fixture; one that does not parse defines none."""
    try:
        module = parse(content)
    except SyntaxError:
        return False
    return any(
        module.qualified(item.func if isinstance(item, ast.Call) else item) == "pytest.fixture"
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for item in node.decorator_list
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
