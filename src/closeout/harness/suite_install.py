"""The test suites this project ships: what they hold, and whether they fit a service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath

from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing import test_files
from closeout.resources import BUNDLE

Needs = Mapping[str, tuple[str, ...]]
"""Module, relative to the service, to the names that a test file uses of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """One suite, the service it is for, and what each of its test files needs there."""

    name: str
    """The folder below `suites/`."""
    service: PurePosixPath
    needs: Mapping[str, Needs] = field(default_factory=dict)
    companions: frozenset[str] = frozenset()
    """Test files that come along only where what they test is there; nobody misses them else."""


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
            content = files(suite.name).get(module)
        found = frozenset() if content is None else _names(module, content)
        missing += [f"{module}: {name}" for name in names if name not in found]
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
    for file, content in files(suite.name).items():
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
