"""A run's bundle is sealed: a tampered file, a lost proof and a forged signature are told."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from closeout.cli.commands import fix
from closeout.cli.commands import report as reporting
from closeout.cli.commands.detect import detection
from closeout.cli.error_handler import guarded
from closeout.engine import planner
from closeout.engine.patch_series import PreparedSet
from closeout.errors import CloseoutError, ExitCode
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import GAPS
from closeout.reporting import attestation, bundle
from closeout.runs import evidence_store, store
from closeout.runs.plan_record import Record
from closeout.runs.workspace import Workspace
from tests.support import reports
from tests.support.builders import WORD, toy_gap, write_files
from tests.support.builders import evidence as item
from tests.support.monorepos import space_for

NEWLINE = b"\n"
FORMS = ("report.json", "report.md", "report.html", "junit.xml", "findings.sarif")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, store.Run]:
    """Return a workspace and a run that wrote a file, with every kind of file that a run keeps."""
    home = tmp_path_factory.mktemp("pristine")
    open_policy = b"from fastapi.middleware.cors import CORSMiddleware\n"
    open_policy += b'app.add_middleware(CORSMiddleware, allow_origins=["*"])\n'
    files = {"cloud-layer/a/a.txt": WORD + NEWLINE, "cloud-layer/a/app.py": open_policy}
    root = write_files(home / "root", files)
    space = space_for(home, root)
    nothing = PreparedSet(patches=(), withheld=())
    run = fix.write(space, planner.plan((toy_gap(),), DiskTree(root), lambda _: nothing))
    seen = item(tree_digest=digest(DiskTree(root)))
    evidence_store.write(run.evidence, "live", [seen])
    (run.folder / "live.log").write_text("what a session said")
    _build(space, run)
    return space, run


@pytest.fixture
def sealed(pristine: tuple[Workspace, store.Run], tmp_path: Path) -> tuple[Workspace, store.Run]:
    """Return a copy of the sealed run, and of the tree that it is about."""
    space, run = pristine
    shutil.copytree(space.home, tmp_path, dirs_exist_ok=True, symlinks=True)
    folder = tmp_path / "reports" / run.id
    place = folder / "run.json"
    place.write_text(place.read_text().replace(str(space.root), str(tmp_path / "root")))
    copy = store.find(tmp_path / "reports", run.id)
    space = space_for(tmp_path, tmp_path / "root")
    statement = attestation.statement(
        json.loads((folder / "report.json").read_bytes()), bundle.digests(folder)
    )
    (folder / bundle.STATEMENT).write_bytes(statement)
    return space, copy


def _build(space: Workspace, run: store.Run) -> None:
    tree = DiskTree(space.root)
    made = reporting.ruled(space, run.id, tree, Record(), detection(GAPS, tree))
    bundle.build(space, run, made)


def test_build_writes_every_form_and_verify_settles_it(sealed: tuple[Workspace, store.Run]) -> None:
    """What was sealed and is about the tree as it is verifies."""
    space, run = sealed
    assert all((run.folder / name).is_file() for name in FORMS)
    assert bundle.verify(space, "") is ExitCode.SETTLED


KEPT = (
    *FORMS,
    bundle.STATEMENT,
    "evidence/live.json",
    "live.log",
    "patches/000-toy-a.derived.patch",
    "plan.json",
    "run.json",
    f"undo/blobs/{hashlib.sha256(WORD + NEWLINE).hexdigest()}",
    "undo/committed",
    "undo/journal.json",
)
"""Every file of the run's folder, by its path in it."""


def test_the_run_keeps_the_files_that_are_tampered_with_below(
    sealed: tuple[Workspace, store.Run],
) -> None:
    """A file of a new kind has to be tried too."""
    _, run = sealed
    found = {str(place.relative_to(run.folder)) for place in run.folder.rglob("*")}
    found = {name for name in found if (run.folder / name).is_file()}
    assert found == set(KEPT)


def _append(place: Path) -> None:
    place.write_bytes(place.read_bytes() + b" ")


def _flip(place: Path) -> None:
    content = place.read_bytes()
    place.write_bytes(bytes([(content or b"0")[0] ^ 1]) + content[1:])


def _empty(place: Path) -> None:
    place.write_bytes(b"" if place.read_bytes() else b"x")


def _link(place: Path) -> None:
    content = place.read_bytes()
    place.unlink()
    home = next(folder for folder in place.parents if folder.name == "reports").parent
    elsewhere = home / "elsewhere"
    elsewhere.write_bytes(content)
    place.symlink_to(elsewhere)


@pytest.mark.parametrize("tamper", [_append, _flip, _empty, _link, Path.unlink])
@pytest.mark.parametrize("name", KEPT)
def test_verify_detects_a_tampered_file(
    sealed: tuple[Workspace, store.Run], name: str, tamper: Callable[[Path], None]
) -> None:
    """A changed bit, a missing file or a link in its place is enough, whatever file it is."""
    space, run = sealed
    tamper(run.folder / name)
    code = guarded(space.home, lambda: bundle.verify(space, run.id))
    assert code in {ExitCode.GAPS_LEFT, ExitCode.UNUSABLE_INPUT}
    assert code is ExitCode.GAPS_LEFT or name == "run.json"


@pytest.mark.parametrize(
    "name", ["evidence/later.json", "new.sarif", "patches/9.derived.patch", "more/a.txt", "x.xml"]
)
def test_verify_detects_an_added_file(sealed: tuple[Workspace, store.Run], name: str) -> None:
    """What came after the report is not part of it, wherever it lies."""
    space, run = sealed
    write_files(run.folder, {name: b"{}"})
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"result": "FAILED"', b'"result": "PASSED"'),
        (b'"failedTests"', b'"passedTests"'),
        (b'"name": "root"', b'"name": "other"'),
        (b"in-toto.io/attestation/test-result/v0.1", b"in-toto.io/attestation/vsa/v1"),
    ],
)
def test_verify_detects_a_statement_that_says_something_else(
    sealed: tuple[Workspace, store.Run], old: bytes, new: bytes
) -> None:
    """The seal itself has to follow from the report, not only hold the right digests."""
    space, run = sealed
    place = run.folder / bundle.STATEMENT
    assert old in place.read_bytes()
    place.write_bytes(place.read_bytes().replace(old, new))
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_refuses_a_run_that_was_never_sealed(sealed: tuple[Workspace, store.Run]) -> None:
    """No seal is not a good seal."""
    space, run = sealed
    (run.folder / bundle.STATEMENT).unlink()
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_verify_calls_evidence_stale_when_the_tree_changed(
    sealed: tuple[Workspace, store.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Evidence about another tree proves nothing now; a file of it is one line."""
    space, run = sealed
    (space.root / "a.txt").write_text("2")
    assert bundle.verify(space, run.id) is ExitCode.UNPROVEN
    told = capsys.readouterr().out.splitlines()
    stale = [line.removeprefix("stale, the tree changed since: ") for line in told[1:-1]]
    assert stale == ["report.json", "live.json, 1 answer"]


def test_verify_without_a_run_takes_the_newest_one_about_the_tree(
    sealed: tuple[Workspace, store.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run about another tree that came later is not asked instead."""
    space, run = sealed
    store.start(space.reports, write_files(tmp_path / "other", {"a.txt": b"1"}), "fix")
    assert bundle.verify(space, "") is ExitCode.SETTLED
    assert f"run {run.id}: " in capsys.readouterr().out


def test_verify_tells_damage_and_not_a_parse_error_for_a_proof_that_is_no_json(
    sealed: tuple[Workspace, store.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """A proof that was spoiled so that it cannot be read is tampered, and named."""
    space, run = sealed
    (run.evidence / "live.json").write_text("{")
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT
    assert "evidence/live.json: changed since" in capsys.readouterr().out


def test_build_brings_the_diffs_of_standing_runs_along_and_drops_those_undone(
    sealed: tuple[Workspace, store.Run],
) -> None:
    """A later report shows what earlier runs wrote, as long as it stands."""
    space, first = sealed
    later = store.start(space.reports, space.root, "audit")
    _build(space, later)
    copy = later.folder / "patches" / first.id / "000-toy-a.derived.patch"
    assert copy.is_file()
    assert bundle.verify(space, later.id) is ExitCode.SETTLED
    store.undo(first, space.root)
    _build(space, later)
    assert not copy.exists()


def test_build_brings_the_proofs_of_earlier_runs_along(sealed: tuple[Workspace, store.Run]) -> None:
    """A run's folder holds what its report rests on, whichever run made it."""
    space, _ = sealed
    later = store.start(space.reports, space.root, "audit")
    _build(space, later)
    assert (later.evidence / "live.json").is_file()
    assert bundle.verify(space, later.id) is ExitCode.SETTLED


def test_verify_asks_for_the_signature_of_the_given_key(
    sealed: tuple[Workspace, store.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by the key it verifies; unsigned, or signed by another, it does not."""
    space, run = sealed
    private, public = reports.key_pair(tmp_path)
    monkeypatch.setenv(bundle.VERIFYING_KEY, str(public))
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT
    monkeypatch.setenv(bundle.SIGNING_KEY, str(private))
    _build(space, run)
    assert bundle.verify(space, run.id) is ExitCode.SETTLED
    _, other = reports.key_pair(tmp_path / "other")
    monkeypatch.setenv(bundle.VERIFYING_KEY, str(other))
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT


@pytest.mark.parametrize("part", ["payload", "payloadType", "sig"])
def test_verify_detects_a_changed_signature(
    sealed: tuple[Workspace, store.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Each part of the envelope counts; another payload is told even without the public key."""
    space, run = sealed
    private, public = reports.key_pair(tmp_path)
    monkeypatch.setenv(bundle.SIGNING_KEY, str(private))
    _build(space, run)
    place = run.folder / bundle.ENVELOPE
    envelope = json.loads(place.read_bytes())
    holder = envelope["signatures"][0] if part == "sig" else envelope
    holder[part] = "text/x" if part == "payloadType" else reports.with_changed_byte(holder[part])
    place.write_text(json.dumps(envelope))
    if part == "payload":
        assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT
    monkeypatch.setenv(bundle.VERIFYING_KEY, str(public))
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT


def test_build_refuses_a_key_that_cannot_sign(
    sealed: tuple[Workspace, store.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that was asked for is not silently left out."""
    (tmp_path / "bad.key").write_text("no key")
    monkeypatch.setenv(bundle.SIGNING_KEY, str(tmp_path / "bad.key"))
    with pytest.raises(CloseoutError) as caught:
        _build(*sealed)
    assert caught.value.reference == "signing-key-unusable"


@pytest.mark.parametrize(
    ("place", "build"),
    [
        ("evidence/z.json", os.mkfifo),
        ("evidence/\udcff.json", lambda path: path.write_bytes(b"{}")),
        ("patches/odd.patch", lambda path: path.write_bytes(b"\xff\0")),
        ("evidence/y.json", lambda path: path.symlink_to("/dev/zero")),
    ],
)
def test_report_passes_over_what_is_no_file_of_ours_and_verify_tells_it(
    place: str, build: Callable[[Path], object], sealed: tuple[Workspace, store.Run]
) -> None:
    """A pipe without a writer, a link without end and a name beyond UTF-8 end no command."""
    space, run = sealed
    build(run.folder / place)
    assert bundle.verify(space, run.id) is ExitCode.GAPS_LEFT
    assert reporting.build(space) in {ExitCode.GAPS_LEFT, ExitCode.UNPROVEN}
