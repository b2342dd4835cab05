"""The test suites this project ships: what they hold, what a service has of them, what fits it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import PurePosixPath

from closeout.formats.tree_names import ORDERS_PROJECT, project
from closeout.fs.tree import below
from closeout.harness.quality_gate import Minimum
from closeout.model import (
    Changeset,
    Edit,
    Located,
    Place,
    Reason,
    Rule,
    Source,
    Tree,
    Unresolved,
)
from closeout.parsing import test_files
from closeout.resources import BUNDLE

Needs = Mapping[str, tuple[str, ...]]
"""Module, relative to the service, to what a test file uses of it: names, and routes as "/…".

A module of which nothing is used by name has to be there all the same.
"""


def of_class(name: str, *members: str) -> tuple[str, ...]:
    """Return a class and its members as a test file uses them."""
    return (name, *(f"{name}.{member}" for member in members))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """One suite, the service it is for, and what each of its test files needs there."""

    name: str
    """The folder below `suites/`."""
    service: PurePosixPath
    needs: Mapping[str, Needs] = field(default_factory=dict)
    companions: frozenset[str] = frozenset()
    """Test files that come along only where what they test is there; nobody misses them else."""
    borrowed: Mapping[str, str] = field(default_factory=dict)
    """Files that stand in another suite's folder, and whose."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """Return what it holds, relative to the service it goes to."""
        lent = {file: files(name)[file] for file, name in self.borrowed.items()}
        return {**files(self.name), **lent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A suite's service as it stands in a tree; without files, the tree does not have it."""

    tree: Tree
    service: PurePosixPath
    paths: tuple[PurePosixPath, ...]


def tested(service: PurePosixPath, tree: Tree) -> Tested:
    """Return the files of `service`."""
    return Tested(tree=tree, service=service, paths=tuple(below(tree, service)))


def is_wanted(service: PurePosixPath, tree: Tree) -> bool:
    """Return whether a suite is asked for: its service is there, or the tree is the order's own."""
    return bool(below(tree, service)) or project(tree) == ORDERS_PROJECT


def rule(name: str, criterion: str, locate: Callable[[Tested], Located], message: str = "") -> Rule:
    """Return a rule about a suite's service; on a tree without it there is nothing to look at."""

    def present(seen: Tested) -> Located:
        return locate(seen) if seen.paths else Located(examined=())

    return Rule(id=name, criterion=criterion, locate=present, message=message)


def count(minimum: Minimum, read: Callable[[bytes], test_files.Suite], seen: Tested) -> Located:
    """Return the files of `minimum`, and one place where too few of their tests assert."""
    found = tuple(path for path in seen.paths if path.name == minimum.file)
    suites = {path: read(seen.tree.read(path) or b"") for path in found}
    unresolved = tuple(
        Unresolved(path=path, reason=Reason.UNPARSABLE, line=suite.error_line, detail="no syntax")
        for path, suite in suites.items()
        if suite.error_line is not None
    )
    counted = sum(suite.asserting for suite in suites.values())
    if unresolved or counted >= minimum.tests:
        return Located(examined=found, unresolved=unresolved)
    path = found[0] if found else seen.service / "tests" / minimum.file
    message = f"{counted} of {minimum.tests} tests that assert"
    return Located(examined=found, places=(lacking(path, minimum.file, message),))


def lacking(path: PurePosixPath, excerpt: str, message: str = "", line: int = 1) -> Place:
    """Return what the order asks of a service, where it is missing."""
    return Place(path=path, line=line, message=message, excerpt=excerpt, named=True)


def open_paths(rules: Iterable[Rule], seen: Tested) -> set[PurePosixPath]:
    """Return the files that do not hold what the rules ask of them."""
    return {place.path for item in rules for place in item.locate(seen).places}


@cache
def files(name: str) -> Mapping[str, bytes]:
    """Return the suite's files, relative to the service they go to."""
    folder = BUNDLE / "suites" / name
    places = sorted(place for place in folder.rglob("*") if place.is_file())
    return {
        place.relative_to(folder).as_posix(): place.read_bytes()
        for place in places
        if "__pycache__" not in place.parts
    }


def missing_names(suite: Shipped, file: str, tree: Tree) -> tuple[str, ...]:
    """Return what `file` uses and the service does not have, as `module: name`."""
    missing: list[str] = []
    for module, names in suite.needs.get(file, {}).items():
        content = tree.read(suite.service / module)
        if content is None:
            # A module of the suite itself, such as its conftest, comes along with it.
            content = suite.files.get(module)
        if content is None and not names:
            missing.append(module)
        found = frozenset() if content is None else _names(module, content)
        missing += [
            f"{module}: {name}"
            for name in names
            if name not in found and not _is_route(name, content)
        ]
    return tuple(missing)


def propose(
    suite: Shipped, tree: Tree, open_paths: Collection[PurePosixPath], left_out: Collection[str]
) -> Changeset:
    """Return the changeset that installs every file which is absent and fits.

    A file that stands there already is never overwritten: where it is one of `open_paths` it is
    reported. `left_out` names files that the service has in another form.
    """
    edits: list[Edit] = []
    unresolved: list[Unresolved] = []
    for file, content in suite.files.items():
        place = suite.service / file
        standing = tree.read(place)
        if file in left_out or standing == content:
            continue
        if standing is not None:
            if place in open_paths:
                unresolved.append(_standing(place, suite.name))
            continue
        missing = missing_names(suite, file, tree)
        if missing and file not in suite.companions:
            unresolved.append(_unfit(place, missing))
        elif not missing:
            edits.append(Edit(path=place, before=None, after=content))
    return Changeset(
        name=f"{suite.name}-suite",
        edits=tuple(edits),
        source=Source.SUITE,
        unresolved=tuple(unresolved),
    )


def _is_route(name: str, content: bytes | None) -> bool:
    """Return whether `name` is a route that stands in the module, as a text of its own."""
    quoted = (f"{mark}{name}{mark}".encode() for mark in "\"'`")
    return name.startswith("/") and any(text in (content or b"") for text in quoted)


@lru_cache(maxsize=64)
def _names(module: str, content: bytes) -> frozenset[str]:
    if module.endswith(".ts"):
        return test_files.exported_names(content)
    try:
        return test_files.defined_names(content)
    except (SyntaxError, ValueError):
        return frozenset()


def _standing(place: PurePosixPath, name: str) -> Unresolved:
    return Unresolved(
        path=place,
        reason=Reason.AMBIGUOUS,
        detail="another file stands there, and it is not overwritten",
        hint=f"add what is missing to it; suites/{name}/ has an example.",
    )


def _unfit(place: PurePosixPath, missing: tuple[str, ...]) -> Unresolved:
    return Unresolved(
        path=place,
        reason=Reason.MISSING,
        detail=f"the suite does not fit this service, which lacks {', '.join(missing)}",
        hint="write this file for the service as it is; the gate judges it the same way.",
    )
