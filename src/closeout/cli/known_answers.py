"""Keep what probes found in order, so that a second session asks only what may have changed.

An answer holds for the trees, the code, the tools and the interpreter that it was given with. What
was red or did not run is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from closeout.cli.session import ProbeAnswer
from closeout.console.layout import counted
from closeout.fs import cache, codec, writer
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import plugins
from closeout.runs import store, tool_versions
from closeout.runs.workspace import Workspace

_MOST = 4
"""Trees of which answers are kept: before a fix, after it, and of another branch."""

Known = Mapping[tuple[str, str], ProbeAnswer]
"""Answers by probe and criterion."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    answers: tuple[ProbeAnswer, ...]


def place(space: Workspace, python: Path) -> Path:
    """Return the file of the answers about a workspace's trees as they are now."""
    standing = [run.id for run in store.undoable(space.reports, space.root)]
    tools = [f"{name} {version}" for name, version in tool_versions.versions().items()]
    tools += [str(python), *_packages(python)]
    code = [*cache.askers(), *plugins.signatures()]
    parts = [digest(DiskTree(space.root)), *standing, *tools, *code]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return _folder(space) / f"{name}.json"


def _packages(python: Path) -> list[str]:
    """Return the packages of an interpreter's environment, each with its version."""
    return sorted(item.name for item in python.parent.parent.glob("lib/*/*-packages/*.dist-info"))


def _folder(space: Workspace) -> Path:
    return space.cache / "answers"


def read(file: Path) -> Known:
    """Return the answers that are kept in a file, none where it is not there or not whole."""
    try:
        kept = codec.decode(_Kept, file.read_bytes()).answers
    except (OSError, ValueError):
        return {}
    return {(item.probe, item.criterion): item for item in kept}


def keep(file: Path, answers: Iterable[ProbeAnswer], *, is_fixed: bool) -> None:
    """Write those answers that need not be asked again; `is_fixed` where there is a tree before.

    Where that fails they are asked again, which is all that it costs.
    """
    now = datetime.now(UTC)
    sound = [
        replace(item, at=item.at or now)
        for item in answers
        if item.seen.passed and not item.seen.bug and (item.before is not None or not is_fixed)
    ]
    document = json.dumps(codec.plain(_Kept(answers=tuple(sound))), ensure_ascii=False)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        writer.durable_write(file, document.encode())
        others = sorted(file.parent.glob("*.json"), key=lambda item: item.stat().st_mtime)
        for old in others[:-_MOST]:
            old.unlink()


def forget(space: Workspace) -> None:
    """Have everything asked anew."""
    for file in _folder(space).glob("*.json"):
        file.unlink()


def again(item: ProbeAnswer) -> ProbeAnswer:
    """Return a kept answer as one about the tree of now, which says when it was given."""
    observed = f"{item.seen.observed}; used again, an answer of {item.at:%Y-%m-%d %H:%M:%S} UTC"
    return replace(item, seen=replace(item.seen, observed=observed))


def told(reused: Sequence[ProbeAnswer]) -> str:
    """Return how many answers are used again and since when, in a line."""
    count = counted(len(reused), "answer")
    since = min(item.at for item in reused if item.at)
    return (
        f"used again: {count} of {since:%Y-%m-%d %H:%M} UTC or later, about the same trees by the "
        "same tools; --again asks anew"
    )
