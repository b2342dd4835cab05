"""Run folders below `reports/`: one a run, with its journal, its plan and its evidence."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.fs import codec, journal, recovery, writer
from closeout.fs import undo as undoing
from closeout.fs.recovery import Recovered
from closeout.fs.safe_open import is_plain_name
from closeout.fs.undo import Reverted

LATEST = "latest"
_REMEMBERED = 50
"""Runs about one tree looked through for evidence, newest first; undo looks through all."""
UNDO = "undo"
"""What an undo calls itself in the tree's journal; a fix calls itself `fix`."""
_UNDO = "undo"
LEFT = "left"
"""The folder of a run with the bytes from before of files that a roll-back left as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's folder and the monorepo it was about."""

    id: str
    folder: Path
    root: Path

    @property
    def journal(self) -> Path:
        """Return the folder that `closeout.fs.transaction` keeps for undo."""
        return self.folder / _UNDO

    @property
    def evidence(self) -> Path:
        """Return the folder of the run's evidence files."""
        return self.folder / "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What of a run's own file is read again."""

    root: str


def start(reports: Path, root: Path, purpose: str) -> Run:
    """Make a new run folder below `reports`, its id sortable by time, and point `latest` at it."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{purpose}-{secrets.token_hex(2)}"
    folder = reports / name
    reports.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    (folder / "evidence").mkdir()
    run = Run(id=name, folder=folder, root=root)
    document = {"id": name, "purpose": purpose, "root": str(root), "started": now.isoformat()}
    writer.durable_write(folder / "run.json", json.dumps(document, indent=1).encode())
    _point_latest(reports, name)
    return run


def of_root(reports: Path, root: Path) -> Iterator[Run]:
    """Yield the runs about `root`, newest first; folders that are no runs are passed over."""
    return islice(_about(reports, root, _is_run), _REMEMBERED)


def _about(reports: Path, root: Path, wanted: Callable[[Path], bool]) -> Iterator[Run]:
    for place in _places(reports, wanted):
        if _root(place) == str(root):
            yield Run(id=place.name, folder=place, root=root)


def _places(reports: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the folders of such runs, newest first."""
    if reports.is_dir():
        places = (place for place in reports.iterdir() if not place.is_symlink())
        for place in sorted(places, reverse=True):
            if _is_run(place) and wanted(place):
                yield place


def kept(folder: Path, pattern: str) -> list[Path]:
    """Return what a run's folder keeps under such names, sorted.

    Links, pipes and names that no document can hold are left out; `report.verify` tells them.
    """
    return sorted(
        place
        for place in folder.glob(pattern)
        if is_plain_name(place.name) and stat.S_ISREG(place.lstat().st_mode)
    )


def latest(reports: Path, root: Path) -> Run:
    """Return the newest run about `root`, a new one where there is none."""
    return next(of_root(reports, root), None) or start(reports, root, "audit")


def find(reports: Path, name: str) -> Run:
    """Return the run called `name`; raises CloseoutError("run-unknown")."""
    place = reports / name
    if "/" in name or not _is_run(place):
        raise CloseoutError(
            "run-unknown",
            f"there is no run {name!r} in {reports.name}/.",
            hint="list the folder, or leave --run out for the latest one.",
        )
    folder = place.resolve()
    return Run(id=folder.name, folder=folder, root=Path(_root(folder)))


def drop(run: Run) -> None:
    """Forget a run that wrote nothing."""
    shutil.rmtree(run.folder)


def undoable(reports: Path, root: Path) -> tuple[Run, ...]:
    """Return the runs about `root` that wrote files and were not undone, newest first.

    Those about a tree that was moved here since are among them: nothing is left at its place, and
    every file here is as the run wrote it, once what younger runs wrote is thought away.
    """
    found: list[Run] = []
    for place in _places(reports, lambda place: journal.is_undoable(place / _UNDO)):
        run = Run(id=place.name, folder=place, root=Path(_root(place)))
        if run.root == root or _moved(run, root, found):
            found.append(replace(run, root=root))
    return tuple(found)


def _moved(run: Run, root: Path, younger: Sequence[Run]) -> bool:
    if os.path.lexists(run.root):
        return False
    try:
        if undoing.read_kept(run.journal).files:
            return undoing.stands(run.journal, root, [item.journal for item in younger])
    except CloseoutError:  # a damaged run about a tree that is nowhere stands in nobody's way
        return False
    return False


def undo(run: Run, root: Path, *, keeps_edited: bool = False) -> Reverted:
    """Put back every byte from before `run` in the tree at `root`, or all but edited files."""
    if run.root != root and os.path.lexists(run.root):
        raise CloseoutError(
            "run-of-another-tree",
            f"run {run.id} is about {run.root}, not {root}.",
            hint=f"name its tree, --root {run.root}, or a run about this one.",
        )
    if not journal.is_undoable(run.journal):
        raise CloseoutError(
            "nothing-to-undo",
            f"run {run.id} wrote nothing, or was undone already.",
            hint="name another run with --run.",
        )
    return undoing.undo(run.journal, root, run=run.id, keeps_edited=keeps_edited)


def recover(reports: Path, root: Path) -> tuple[Recovered, ...]:
    """Put back what was interrupted while it wrote to `root`, whichever home it kept its run in.

    Raises HalfWrittenError where that cannot be done now.
    """
    found = [made for made in (recovery.recover(root),) if made is not None]
    for made in found:
        _keep_left(reports, root, made)
    undone = {made.run for made in found if made.purpose != UNDO}
    for run in _about(reports, root, lambda place: journal.is_unfinished(place / _UNDO)):
        if run.id in undone:
            journal.mark_undone(run.journal)
        elif undoing.stands(run.journal, root):
            journal.mark_committed(run.journal)  # its last step in the tree was done
        else:  # somebody took the journal in the tree away
            restored = undoing.abandon(run.journal, root, run=run.id)
            found.append(Recovered(purpose="fix", run=run.id, restored=restored, left={}))
    return tuple(found)


def _keep_left(reports: Path, root: Path, found: Recovered) -> None:
    """Keep the bytes from before of files that somebody edited in the middle of it all."""
    contents = [content for content in found.left.values() if content is not None]
    if contents:
        folder = start(reports, root, "recovery").folder / LEFT
        folder.mkdir()
        for path, content in found.left.items():
            if content is not None:
                writer.durable_write(folder / str(path).replace("/", "+")[-200:], content, 0o600)


def newest_undoable(reports: Path, root: Path) -> Run:
    """Return the newest run about `root` that can be undone; raises CloseoutError."""
    for run in undoable(reports, root):
        return run
    raise CloseoutError(
        "nothing-to-undo",
        f"no run in reports/ wrote to {root}.",
        hint="run `invoke fix.all` first, or name a run with --run.",
    )


def _is_run(place: Path) -> bool:
    return (place / "run.json").is_file()


def unusable(folder: Path, name: str, error: Exception) -> CloseoutError:
    """Return the error that a damaged file of a run's folder asks for."""
    return CloseoutError(
        "run-unusable",
        f"{folder.name}/{name} is damaged: {error}",
        hint=f"move {folder.name} out of the folder of runs, then run the command again.",
    )


def _root(folder: Path) -> str:
    """Return the monorepo that a run was about."""
    try:
        root = codec.decode(_About, (folder / "run.json").read_bytes()).root
    except (OSError, ValueError) as error:
        raise unusable(folder, "run.json", error) from error
    if "\0" in root:
        raise unusable(folder, "run.json", TypeError("its root is no path"))
    return root


def _point_latest(reports: Path, name: str) -> None:
    link = reports / f".{LATEST}-{secrets.token_hex(4)}"
    link.symlink_to(name)
    os.replace(link, reports / LATEST)  # noqa: PTH105 - an atomic swap of the link itself
