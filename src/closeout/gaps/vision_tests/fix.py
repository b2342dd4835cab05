"""Install the vision suite where it fits, and list what runs it as its siblings list it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import line_ending
from closeout.fs.tree import below
from closeout.gaps.vision_tests.rules import RULES, pytest_configurations, survey
from closeout.gaps.vision_tests.suites import SCAFFOLD, SUITES, VISION_SERVICE
from closeout.harness import suite_choice, suite_install
from closeout.model import Changeset, Edit, Tree

_FILE = "requirements.txt"
_RUNNERS = ("pytest", "pytest-cov")
_PIN = re.compile(rb"(?im)^(?P<name>pytest(?:-cov)?)==(?P<version>[0-9][0-9.]*)[ \t]*\r?$")
_NAMED = re.compile(rb"\bpytest\b")
_LISTS = frozenset({".txt", ".in", ".toml", ".cfg", ".lock"})
_HASHED = b"--hash"
_HABIT = 2
"""How many siblings make a habit."""


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the suite's files, for what the rules still find, and the packages that run it."""
    seen = survey(tree)
    open_paths = suite_install.open_paths(RULES, seen)
    if not open_paths:
        return ()
    made = suite_choice.laid(
        SUITES,
        seen,
        open_paths,
        left_out={"pytest.ini"} if pytest_configurations(tree) else set(),
        alone={"conftest.py", "pytest.ini"},
        scaffold=SCAFFOLD,
    )
    edits = tuple(_listed(tree, VISION_SERVICE)) if made.edits else ()
    packages = Changeset(name="vision-requirements", edits=edits)
    return tuple(item for item in (made, packages) if item.edits or item.unresolved)


def _listed(tree: Tree, service: PurePosixPath) -> Iterator[Edit]:
    """Yield the edit that lists pytest and its coverage, where siblings pin both.

    Nothing where the service lists them in any of its files, or its requirements have hashes.
    """
    path = service / _FILE
    content = tree.read(path)
    if not content or _HASHED in content or _is_told(tree, service):
        return
    pins = _pins(tree, service)
    if set(pins) != set(_RUNNERS):
        return
    ending = line_ending(content, 0)
    ended = content if content.endswith(b"\n") else content + ending
    lines = (f"{name}=={pins[name]}".encode() + ending for name in _RUNNERS)
    yield Edit.of(tree, path, ended + b"".join(lines))


def _is_told(tree: Tree, service: PurePosixPath) -> bool:
    """Tell whether one of the service's lists of packages names pytest."""
    return any(
        path.suffix in _LISTS and _NAMED.search(tree.read(path) or b"")
        for path in below(tree, service)
        if path.name not in {"pytest.ini", "tox.ini"}
    )


def _pins(tree: Tree, service: PurePosixPath) -> dict[str, str]:
    """Return the version that most siblings pin of each, the newest of several; none by chance."""
    counted: dict[str, Counter[str]] = {name: Counter() for name in _RUNNERS}
    pinning = set()
    for path in tree.ending(frozenset({".txt"})):
        if path.name != _FILE or path.is_relative_to(service):
            continue
        for pin in _PIN.finditer(tree.read(path) or b""):
            counted[pin["name"].decode().lower()][pin["version"].decode()] += 1
            pinning.add(path)
    if len(pinning) < _HABIT:
        return {}
    return {
        name: max(versions, key=lambda version: (versions[version], _order(version)))
        for name, versions in counted.items()
        if versions
    }


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
