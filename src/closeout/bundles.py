"""Seal a run's files by digest, and check the seal and the evidence's freshness later."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from closeout import evidence, runs, writer
from closeout.errors import ExitCode
from closeout.tree import DiskTree, digest
from closeout.workspace import Workspace

_SEAL = "digests.json"
_SEALED = (
    "report.json",
    "report.md",
    "plan.json",
    "claims.json",
    "order-audit.json",
    "evidence/*.json",
    "patches/*.patch",
)


def seal(folder: Path) -> None:
    """Write the SHA-256 of every report, plan, evidence and patch file of a run."""
    document = json.dumps(_digests(folder), indent=1).encode()
    writer.durable_write(folder / _SEAL, document)


def verify(space: Workspace, run_id: str) -> ExitCode:
    """Print every file of a run that is not as sealed, and evidence about another tree.

    Returns GAPS_LEFT for a tampered or missing file, UNPROVEN for stale evidence.
    """
    print(space.title)
    run = runs.find(space.reports, run_id or runs.LATEST)
    place = run.folder / _SEAL
    sealed: dict[str, str] = json.loads(place.read_bytes()) if place.is_file() else {}
    found = _digests(run.folder)
    wrong = sorted(name for name in sealed | found if sealed.get(name) != found.get(name))
    for name in wrong:
        print(f"{run.id}/{name}: {_told(name, sealed, found)}")
    tree_digest = digest(DiskTree(run.root))
    stale = [
        f"{place.name}: {item.probe}"
        for place in sorted(run.evidence.glob("*.json"))
        for item in evidence.read(place)
        if item.subject_digest != tree_digest
    ]
    for line in stale:
        print(f"stale, the tree changed since: {line}")
    print(f"run {run.id}: {len(sealed)} files sealed, {len(wrong)} wrong, {len(stale)} stale")
    if wrong or not sealed:
        return ExitCode.GAPS_LEFT
    return ExitCode.UNPROVEN if stale else ExitCode.SETTLED


def _told(name: str, sealed: dict[str, str], found: dict[str, str]) -> str:
    if name not in found:
        return "missing"
    return "added after the report was built" if name not in sealed else "changed since"


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(place.relative_to(folder)): hashlib.sha256(place.read_bytes()).hexdigest()
        for pattern in _SEALED
        for place in sorted(folder.glob(pattern))
    }
