"""Choose a suite by what a service exports; where none fits, say what no test names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from closeout.harness import suite_install
from closeout.harness.service_copy import TEST_FILE
from closeout.harness.suite_install import Shipped, Tested
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing import test_files

_SHOWN = 12


def chosen(suites: Sequence[Shipped], tree: Tree) -> Shipped | None:
    """Return the suite of which most test files fit what the service exports; None fits none."""

    def fitting(suite: Shipped) -> int:
        asked = set(suite.needs) - suite.companions
        return sum(not suite_install.missing_names(suite, file, tree) for file in asked)

    best = max(suites, key=fitting)
    return best if fitting(best) else None


def laid(  # noqa: PLR0913 - the suites, the service, and what is laid without a suite
    suites: Sequence[Shipped],
    seen: Tested,
    open_paths: Collection[PurePosixPath],
    *,
    left_out: Collection[str] = (),
    alone: Collection[str] = (),
    scaffold: Shipped | None = None,
) -> Changeset:
    """Return the changeset that installs the suite that fits.

    `left_out` names files that the service has in another form, `alone` those that are of use
    without any test of ours. Where no suite fits, each open file is told with what it would test,
    and the `scaffold` is laid where it fits: a running start, and none of the tests asked for.
    """
    suite = chosen(suites, seen.tree)
    if suite is not None:
        return suite_install.propose(suite, seen.tree, open_paths, left_out)
    first = suites[0]
    untested = _untested(seen)
    edits: list[Edit] = []
    unresolved: list[Unresolved] = []
    for path in sorted(open_paths):
        name = path.relative_to(seen.service).as_posix()
        content = first.files.get(name)
        if name in alone and content is not None and seen.tree.read(path) is None:
            edits.append(Edit(path=path, before=None, after=content))
        elif content is not None or TEST_FILE.search(path.name):
            unresolved.append(_unfit(path, untested))
    edits += () if scaffold is None else _started(scaffold, seen.tree)
    return Changeset(
        name=f"{first.name}-suite",
        edits=tuple(edits),
        source=Source.SUITE,
        unresolved=tuple(unresolved),
    )


def _started(scaffold: Shipped, tree: Tree) -> Iterable[Edit]:
    return (
        edit
        for edit in suite_install.propose(scaffold, tree, (), ()).edits
        if not suite_install.missing_names(
            scaffold, edit.path.relative_to(scaffold.service).as_posix(), tree
        )
    )


def _unfit(path: PurePosixPath, untested: dict[PurePosixPath, tuple[str, ...]]) -> Unresolved:
    if not TEST_FILE.search(path.name):
        return Unresolved(
            path=path,
            reason=Reason.MISSING,
            detail="no suite fits this service, and a runner without tests only fails",
            hint="write the tests that are named beside this, then run this again.",
        )
    subject = path.name.partition(".")[0].removeprefix("test_")
    mine = {module: names for module, names in untested.items() if module.stem == subject}
    told = "; ".join(_told(module, names) for module, names in (mine or untested).items())
    return Unresolved(
        path=path,
        reason=Reason.MISSING,
        detail=f"no suite fits this service; no test names {told or 'it: it exports no function'}",
        hint="write this file for the service as it is; the gate judges it the same way.",
    )


def _told(module: PurePosixPath, names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{rest} ({module})"


def _untested(seen: Tested) -> dict[PurePosixPath, tuple[str, ...]]:
    """Return the functions that each source file exports and that no test file names."""
    tests = [seen.tree.read(path) or b"" for path in seen.paths if TEST_FILE.search(path.name)]
    named = set(re.findall(rb"\w+", b"\n".join(tests)))
    found: dict[PurePosixPath, tuple[str, ...]] = {}
    for path in _sources(seen.paths):
        exported = _exported(path, seen.tree)
        names = sorted(name for name in exported if name.rpartition(".")[2].encode() not in named)
        if names:
            found[path.relative_to(seen.service)] = tuple(names)
    return found


def _exported(path: PurePosixPath, tree: Tree) -> frozenset[str]:
    try:
        return test_files.exported_functions(path.suffix, tree.read(path) or b"")
    except (SyntaxError, ValueError):
        return frozenset()


def _sources(paths: Iterable[PurePosixPath]) -> Iterable[PurePosixPath]:
    for path in paths:
        is_source = path.suffix in {".ts", ".py"} and {"src", "app"} & set(path.parts)
        if is_source and not TEST_FILE.search(path.name) and path.name != "conftest.py":
            yield path
