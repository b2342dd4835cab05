"""Run folders below `reports/`: one a run, with its journal, its plan and its evidence."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError
from closeout.fs import codec, writer

LATEST = "latest"
_REMEMBERED = 50
"""Runs looked through for evidence and undo, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's folder and the monorepo it was about."""

    id: str
    folder: Path
    root: Path

    @property
    def journal(self) -> Path:
        """Return the folder that `closeout.fs.writer` keeps for undo."""
        return self.folder / "undo"

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
    folder.mkdir(parents=True)
    (folder / "evidence").mkdir()
    run = Run(id=name, folder=folder, root=root)
    document = {"id": name, "purpose": purpose, "root": str(root), "started": now.isoformat()}
    writer.durable_write(folder / "run.json", json.dumps(document, indent=1).encode())
    _point_latest(reports, name)
    return run


def of_root(reports: Path, root: Path) -> Iterator[Run]:
    """Yield the runs about `root`, newest first; folders that are no runs are passed over."""
    if not reports.is_dir():
        return
    places = (place for place in reports.iterdir() if not place.is_symlink() and _is_run(place))
    names = sorted((place.name for place in places), reverse=True)
    for name in names[:_REMEMBERED]:
        if _root(reports / name) == str(root):
            yield Run(id=name, folder=reports / name, root=root)


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


def undoable(reports: Path, root: Path) -> tuple[Run, ...]:
    """Return the runs about `root` that wrote files and were not undone, newest first."""
    return tuple(run for run in of_root(reports, root) if writer.is_undoable(run.journal))


def undo(run: Run) -> tuple[PurePosixPath, ...]:
    """Put back every byte from before `run`; returns the restored paths."""
    if not writer.is_undoable(run.journal):
        raise CloseoutError(
            "nothing-to-undo",
            f"run {run.id} wrote nothing, or was undone already.",
            hint="name another run with --run.",
        )
    restored = writer.undo(run.journal, run.root)
    writer.mark_undone(run.journal)
    return restored


def recover(reports: Path, root: Path) -> tuple[Run, ...]:
    """Roll back the runs about `root` that were interrupted while writing; returns them."""
    broken = [run for run in undoable(reports, root) if writer.is_unfinished(run.journal)]
    for run in broken:
        undo(run)
    return tuple(broken)


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
