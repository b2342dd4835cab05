"""Build values for tests, with defaults for what a test does not speak of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from closeout.model import (
    Changeset,
    Criterion,
    Edit,
    Gap,
    Located,
    Means,
    Place,
    Rule,
    Tree,
    WorkOrder,
)
from closeout.model.verdicts import Evidence

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORD = b"OPEN"
"""A line of this word is an open place of the toy gap."""


def criterion(number: str = "1.1", means: Means = Means.STATIC, **more: object) -> Criterion:
    """Return a criterion with the given id and means."""
    fields = {
        "text": "the word is gone",
        "source_digest": number,
        "settled_by": "nox -s live_probes",
        **more,
    }
    return Criterion(id=number, means=means, **fields)


def evidence(criterion_id: str = "1.1", **more: object) -> Evidence:
    """Return passing live evidence about the tree digest `tree`."""
    fields = {
        "probe": f"toy.{criterion_id}",
        "passed": True,
        "before": False,
        "expected": "an answer",
        "observed": "an answer",
        "command": "ask",
        "tree_digest": "tree",
        "at": NOW,
        "seconds": 0.1,
        "means": Means.LIVE,
        **more,
    }
    return Evidence(criterion=criterion_id, **fields)


def order(*criteria: Criterion) -> WorkOrder:
    """Return a work order of the given criteria."""
    return WorkOrder(
        id="WO-0", title="toy", source_sha256="0", criteria=criteria, issues={1: "toy"}
    )


def toy_gap(**more: object) -> Gap:
    """Return a gap that is open at every line OPEN of a `.txt` file and closes it by SHUT."""
    fields = {
        "slug": "toy",
        "issue": 1,
        "title": "toy",
        "priority": "P0",
        "criteria": ("1.1",),
        "rules": (Rule(id="word", criterion="1.1", locate=_locate_word),),
        "fix": derive_word,
        **more,
    }
    return Gap(**fields)


def _locate_word(tree: Tree) -> Located:
    """Find the word, line by line."""
    paths = tuple(path for path in tree.paths() if path.suffix == ".txt")
    places = tuple(
        Place(path=path, line=number, message="the word stands here", named=True)
        for path in paths
        for number, line in enumerate((tree.read(path) or b"").splitlines(), start=1)
        if line == WORD
    )
    return Located(examined=paths, places=places)


def derive_word(tree: Tree) -> tuple[Changeset, ...]:
    """Replace the word in every file that has it."""
    return tuple(
        Changeset(
            name=path.stem,
            edits=(
                Edit(
                    path=path,
                    before=content,
                    after=content.replace(WORD, b"SHUT"),
                    mode=tree.mode(path),
                ),
            ),
        )
        for path in tree.paths()
        if WORD in ((content := tree.read(path) or b"").splitlines())
    )


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write `files` below `folder` and return it."""
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file below `folder` with its bytes and permission bits."""
    return {
        str(PurePosixPath(place.relative_to(folder))): (
            place.read_bytes(),
            place.stat().st_mode & 0o777,
        )
        for place in sorted(folder.rglob("*"))
        if place.is_file()
    }


EVERY_SUBJECT = {
    "every/app.py": b"from fastapi import FastAPI\n\napp = FastAPI()\n",
    "every/login.ts": b"// login, refresh, claimCode\n",
    "every/dbt_project.yml": b"name: every\n",
    "every/broker.conf": b"# mosquitto\n",
    "every/database.conf": b"# postgres\n",
    "every/deployment.yaml": b"kind: Deployment\n",
    "cloud-layer/cloud-billing-service/README": b"",
    "edge-layer/edge-vision-inference/README": b"",
}
"""Files of a tree to which every criterion applies; there is next to nothing in them."""
