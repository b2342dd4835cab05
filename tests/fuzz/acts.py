"""What is done with a case, and what must hold afterwards."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from closeout.cli.commands import detect, fix, init, undo
from closeout.cli.commands import report as reporting
from closeout.cli.desk import WorkspaceDesk
from closeout.engine import patch_series, planner
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import journal
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.gaps.external_secrets.listing import list_secrets
from closeout.harness import service_discovery
from closeout.reporting import bundle
from closeout.runs.workspace import Workspace
from closeout.workorders import artifact_lint, order_check
from closeout.workorders.wo_004_checks import FACTS, TOUCHED
from tests.fuzz.cases import Kind

Snapshot = Mapping[bytes, tuple[int, str]]
"""Every file and folder below one, with its kind and mode, and a digest."""


class BrokenError(Exception):
    """Something that has to hold did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folders of one case; `outside` and the folder above hold nothing of the case's."""

    folder: Path

    @property
    def root(self) -> Path:
        """Return the monorepo."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """Return the folder for reports."""
        return self.folder / "home"

    @property
    def outside(self) -> Path:
        """Return the folder that nobody has any business in."""
        return self.folder / "outside"

    @property
    def scratch(self) -> Path:
        """Return the folder for temporary files."""
        return self.folder / "scratch"


def snapshot(folder: Path) -> Snapshot:
    """Return what is below `folder`, links as links."""
    found: dict[bytes, tuple[int, str]] = {}
    for above, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            place = os.path.join(above, name)  # noqa: PTH118 - names may be no text
            status = os.lstat(place)
            content = b""
            if stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(place)).read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(place)  # noqa: PTH115 - as above
            found[place] = (status.st_mode, hashlib.sha256(content).hexdigest())
    return found


def act(kind: Kind, place: Place) -> str:
    """Do what there is to do with a case, and return how it ended in a word.

    Raises BrokenError where something does not hold; anything else that it raises is a crash.
    """
    done = {Kind.TREE: _close, Kind.PATCHES: _apply, Kind.RUN: _report}[kind]
    return done(place, Workspace(home=place.home, root=place.root, origin="fuzz"))


def _close(place: Place, space: Workspace) -> str:
    """Look, fix, fix again and undo."""
    before = snapshot(place.root)
    for look in (
        lambda: fix.show(space, GAPS),
        lambda: list_secrets(WorkspaceDesk(space)),
        lambda: _read(space, place.scratch),
    ):
        _refused(place, look)
        _same(before, snapshot(place.root), "looking changed the tree")
    refused = _refused(place, lambda: fix.fix(space, GAPS))
    once = snapshot(place.root)
    if refused:
        return refused
    _refused(place, lambda: fix.fix(space, GAPS))
    _same(once, snapshot(place.root), "the second fix is not the first one's")
    if once == before:
        return "unchanged"
    _refused(place, lambda: undo.undo(space, ""))
    _same(before, snapshot(place.root), "undo does not give back what was there")
    _refused(place, lambda: init.adopt(str(space.root)))
    return "fixed"


def _read(space: Workspace, scratch: Path) -> ExitCode:
    """Read the tree as an audit does."""
    tree = detect.readable(space)
    artifact_lint.inspect(tree, TOUCHED, scratch)
    for place in scratch.iterdir():
        place.unlink()
    order_check.compare(tree, planner.detect(GAPS, tree), FACTS, (), None)
    service_discovery.roster(tree)
    return ExitCode.SETTLED


def _apply(place: Place, space: Workspace) -> str:
    """Plan with prepared patches that are not as they should be, and write the plan."""
    folder = place.home / "patches"

    def work() -> ExitCode:
        tree = DiskTree(space.root)
        plan = planner.plan(GAPS, tree, lambda slug: patch_series.load(folder, slug))
        fix.write(space, plan)
        for edit in plan.edits:
            if (space.root / edit.path).read_bytes() != edit.after:
                raise BrokenError(f"{edit.path} was not written as planned")
        return ExitCode.SETTLED if plan.edits else ExitCode.GAPS_LEFT

    before = snapshot(place.root)
    refused = _refused(place, work)
    if not refused and journal.is_undoable(_run(space) / "undo"):
        _refused(place, lambda: undo.undo(space, ""))
    _same(before, snapshot(place.root), "undo does not give back what was there")
    return refused or "written"


def _report(place: Place, space: Workspace) -> str:
    """Build, verify and undo from a run folder that was spoiled."""
    before = snapshot(place.root)
    (run,) = space.reports.iterdir()
    words = []
    for look in (lambda: reporting.build(space), lambda: bundle.verify(space, run.name)):
        words.append(_refused(place, look))
        _same(before, snapshot(place.root), "looking changed the tree")
    words.append(_refused(place, lambda: undo.undo(space, "")))
    words.append(_refused(place, lambda: fix.fix(space, GAPS)))
    return next(filter(None, words), "reported")


def _run(space: Workspace) -> Path:
    return (space.reports / "latest").resolve()


def _refused(place: Place, action: Callable[[], ExitCode]) -> str:
    """Return the reference of the error that a door told, empty where it did its work."""
    before = snapshot(place.root)
    try:
        action()
    except CloseoutError as error:
        _same(before, snapshot(place.root), f"{error.reference} left something half-done")
        str(error).encode()
        return error.reference
    return ""


def _same(before: Snapshot, after: Snapshot, message: str) -> None:
    if before != after:
        changed = sorted({*before.items()} ^ {*after.items()})
        raise BrokenError(f"{message}: {changed[0][0]!r}")
