"""A run's seal tells a tampered file, and stale evidence from fresh."""

from pathlib import Path

import pytest
from tests.support.builders import evidence as item
from tests.support.builders import write_files
from tests.support.monorepos import space_for

from closeout import bundles, evidence, runs
from closeout.errors import ExitCode
from closeout.tree import DiskTree, digest
from closeout.workspace import Workspace


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Workspace, runs.Run]:
    """Return a workspace and its sealed run with one evidence file about the tree."""
    root = write_files(tmp_path / "root", {"a.txt": b"1"})
    space = space_for(tmp_path, root)
    run = runs.start(space.reports, root, "fix")
    seen = item(subject_digest=digest(DiskTree(root)))
    evidence.write(run.evidence, "live", [seen])
    (run.folder / "report.json").write_text("{}")
    bundles.seal(run.folder)
    return space, run


def test_verify_settles_an_untouched_run(sealed: tuple[Workspace, runs.Run]) -> None:
    """What was sealed and is about the tree as it is verifies."""
    assert bundles.verify(sealed[0], "") is ExitCode.SETTLED


@pytest.mark.parametrize("name", ["report.json", "evidence/live.json"])
def test_verify_detects_a_tampered_file(sealed: tuple[Workspace, runs.Run], name: str) -> None:
    """One changed byte is enough."""
    space, run = sealed
    place = run.folder / name
    place.write_bytes(place.read_bytes() + b" ")
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_detects_a_missing_file(sealed: tuple[Workspace, runs.Run]) -> None:
    """Evidence that was taken away is missed."""
    space, run = sealed
    (run.evidence / "live.json").unlink()
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_refuses_a_run_that_was_never_sealed(sealed: tuple[Workspace, runs.Run]) -> None:
    """No seal is not a good seal."""
    space, run = sealed
    (run.folder / "digests.json").unlink()
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_calls_evidence_stale_when_the_tree_changed(
    sealed: tuple[Workspace, runs.Run],
) -> None:
    """Evidence about another tree proves nothing now."""
    space, run = sealed
    (space.root / "a.txt").write_text("2")
    assert bundles.verify(space, run.id) is ExitCode.UNPROVEN
