"""A run's bundle is sealed: a tampered file, a lost proof and a forged signature are told."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.builders import evidence as item
from tests.support.builders import write_files
from tests.support.monorepos import space_for

from closeout import bundles, closing, evidence, runs
from closeout.errors import CloseoutError, ExitCode
from closeout.records import Record
from closeout.tree import DiskTree, digest
from closeout.workspace import Workspace

FORMS = ("report.json", "report.md", "report.html", "junit.xml", "findings.sarif")


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Workspace, runs.Run]:
    """Return a workspace and its run, built with one evidence file about the tree."""
    root = write_files(tmp_path / "root", {"cloud-layer/a/app/main.py": b"x = 1\n"})
    space = space_for(tmp_path, root)
    run = runs.start(space.reports, root, "fix")
    seen = item(subject_digest=digest(DiskTree(root)))
    evidence.write(run.evidence, "live", [seen])
    _build(space, run)
    return space, run


def _build(space: Workspace, run: runs.Run) -> None:
    bundles.build(space, run, closing.ruled(space, run.id, DiskTree(space.root), Record()))


def _keys(folder: Path) -> tuple[Path, Path]:
    """Write an Ed25519 key pair and return its private and public files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / "signing.key", folder / "signing.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def test_build_writes_every_form_and_verify_settles_it(sealed: tuple[Workspace, runs.Run]) -> None:
    """What was sealed and is about the tree as it is verifies."""
    space, run = sealed
    assert all((run.folder / name).is_file() for name in FORMS)
    assert bundles.verify(space, "") is ExitCode.SETTLED


@pytest.mark.parametrize("name", [*FORMS, "evidence/live.json", bundles.STATEMENT])
def test_verify_detects_a_tampered_file(sealed: tuple[Workspace, runs.Run], name: str) -> None:
    """One changed byte is enough, in a report, in a proof or in the seal itself."""
    space, run = sealed
    place = run.folder / name
    content = place.read_bytes()
    place.write_bytes(content.replace(b'"sha256": "', b'"sha256": "0', 2) + b" ")
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_detects_a_missing_file(sealed: tuple[Workspace, runs.Run]) -> None:
    """Evidence that was taken away is missed."""
    space, run = sealed
    (run.evidence / "live.json").unlink()
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_detects_an_added_file(sealed: tuple[Workspace, runs.Run]) -> None:
    """Evidence that came after the report is not part of it."""
    space, run = sealed
    evidence.write(run.evidence, "later", [])
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_refuses_a_run_that_was_never_sealed(sealed: tuple[Workspace, runs.Run]) -> None:
    """No seal is not a good seal."""
    space, run = sealed
    (run.folder / bundles.STATEMENT).unlink()
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_calls_evidence_stale_when_the_tree_changed(
    sealed: tuple[Workspace, runs.Run],
) -> None:
    """Evidence about another tree proves nothing now."""
    space, run = sealed
    (space.root / "a.txt").write_text("2")
    assert bundles.verify(space, run.id) is ExitCode.UNPROVEN


def test_build_brings_the_proofs_of_earlier_runs_along(sealed: tuple[Workspace, runs.Run]) -> None:
    """A run's folder holds what its report rests on, whichever run made it."""
    space, _ = sealed
    later = runs.start(space.reports, space.root, "audit")
    _build(space, later)
    assert (later.evidence / "live.json").is_file()
    assert bundles.verify(space, later.id) is ExitCode.SETTLED


def test_verify_asks_for_the_signature_of_the_given_key(
    sealed: tuple[Workspace, runs.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by the key it verifies; unsigned, or signed by another, it does not."""
    space, run = sealed
    private, public = _keys(tmp_path)
    monkeypatch.setenv(bundles.VERIFYING_KEY, str(public))
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT
    monkeypatch.setenv(bundles.SIGNING_KEY, str(private))
    _build(space, run)
    assert bundles.verify(space, run.id) is ExitCode.SETTLED
    (tmp_path / "other").mkdir()
    _, other = _keys(tmp_path / "other")
    monkeypatch.setenv(bundles.VERIFYING_KEY, str(other))
    assert bundles.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_build_refuses_a_key_that_cannot_sign(
    sealed: tuple[Workspace, runs.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that was asked for is not silently left out."""
    (tmp_path / "bad.key").write_text("no key")
    monkeypatch.setenv(bundles.SIGNING_KEY, str(tmp_path / "bad.key"))
    with pytest.raises(CloseoutError) as caught:
        _build(*sealed)
    assert caught.value.reference == "signing-key-unusable"
