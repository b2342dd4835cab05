"""What a run keeps of its plan, so that later reports can tell what changed and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from closeout.console import redaction
from closeout.engine import rules
from closeout.engine.planner import Plan
from closeout.fs import codec, writer
from closeout.fs.safe_open import clean_path
from closeout.model import Count, Proposal, Unresolved
from closeout.runs import store

DIFFS = "patches"
"""The folder of a run that holds its diffs, each named NNN-gap-name.origin.patch."""
DIFF_NAMES = "[0-9][0-9][0-9]-*-*.*.patch"
_PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file that a run writes, and where its text comes from."""

    path: PurePosixPath
    gap: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A plan in short: open places before it by gap, changes, and refusals by gap."""

    before: Mapping[str, Count] = field(default_factory=dict)
    unnamed: Mapping[str, Count] = field(default_factory=dict)
    """How many of the open places the order does not list, by gap."""
    changes: tuple[Change, ...] = ()
    unresolved: Mapping[str, tuple[Unresolved, ...]] = field(default_factory=dict)


def of_plan(plan: Plan) -> Record:
    """Return the record of a plan."""
    return replace(
        of_places(plan.before),
        changes=tuple(change for item in plan.proposals for change in _changes(item)),
        unresolved={item.gap: item.unresolved for item in plan.proposals if item.unresolved},
    )


def of_places(detection: rules.Detection) -> Record:
    """Return a record of the open places alone."""
    found = {slug: rules.findings(checks) for slug, checks in detection.items()}
    return Record(
        before={slug: len(rules.spots(places)) for slug, places in found.items()},
        unnamed={slug: rules.unnamed(places) for slug, places in found.items()},
    )


def _changes(proposal: Proposal) -> list[Change]:
    origin = {path: patch.origin for patch in proposal.patches for path in patch.targets}
    return [
        Change(path=edit.path, gap=proposal.gap, origin=origin[edit.path])
        for edit in proposal.edits
    ]


def merged(records: Sequence[Record]) -> Record:
    """Return several runs' records, oldest first, as one: first counts, all changes."""
    total = Record()
    for record in records:
        total = Record(
            before={**record.before, **total.before},
            unnamed={**record.unnamed, **total.unnamed},
            changes=(*total.changes, *record.changes),
            unresolved=record.unresolved,
        )
    return total


def keep(folder: Path, record: Record, plan: Plan) -> None:
    """Write the record as `plan.json`, and every diff of the plan, masked, below `patches/`."""
    diffs = folder / DIFFS
    diffs.mkdir()
    for number, patch in enumerate(patch for item in plan.proposals for patch in item.patches):
        name = f"{number:03d}-{patch.slug}-{PurePosixPath(patch.name).stem}.{patch.origin}.patch"
        writer.durable_write(diffs / name, redaction.diff(patch.diff, plan.secrets))
    writer.durable_write(folder / _PLAN, json.dumps(codec.plain(record), indent=1).encode())


def collect(folder: Path, standing: Sequence[Path]) -> tuple[Path, ...]:
    """Copy into a run's folder the diffs of the runs that still stand, under their runs' names.

    Returns the folders of the diffs that stand, in the order given; copies of a run that was
    undone since are dropped.
    """
    names = {other.name for other in standing}
    for place in (folder / DIFFS).glob("*/"):
        if place.is_dir() and place.name not in names:
            shutil.rmtree(place)
    return tuple(_collected(folder, other) for other in standing)


def _collected(folder: Path, other: Path) -> Path:
    if other == folder:
        return folder / DIFFS
    copies = folder / DIFFS / other.name
    for diff in store.kept(other / DIFFS, DIFF_NAMES):
        if not (copies / diff.name).exists():
            copies.mkdir(parents=True, exist_ok=True)
            writer.durable_write(copies / diff.name, diff.read_bytes())
    return copies


def read(folder: Path) -> Record:
    """Return the record kept in a run's folder, an empty one where it kept none."""
    place = folder / _PLAN
    if not place.is_file():
        return Record()
    try:
        record = codec.decode(Record, place.read_bytes())
    except (OSError, ValueError) as error:
        raise store.unusable(folder, _PLAN, error) from error
    for change in record.changes:
        clean_path(str(change.path))
    return record
