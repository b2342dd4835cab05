"""One run's bundle: every form of its report, sealed by digest and attested.

`build` writes the report as JSON, Markdown, HTML, JUnit and SARIF, gathers the proofs it rests on
below `evidence/`, and seals all of it in an in-toto statement; `verify` checks that again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from closeout.console.layout import counted
from closeout.console.output import Detail, give, say, sum_up
from closeout.errors import ExitCode
from closeout.fs import json_reader, writer
from closeout.fs.tree import DiskTree, digest
from closeout.reporting import attestation, junit, markdown, page, report, sarif
from closeout.runs import evidence_store, plan_record, provenance, store, tool_versions
from closeout.runs.workspace import Workspace

STATEMENT = "attestation.json"
ENVELOPE = "attestation.dsse.json"
SIGNING_KEY = "CLOSEOUT_SIGNING_KEY"
"""Names the PEM file of an Ed25519 private key; without it the statement is not signed."""
VERIFYING_KEY = "CLOSEOUT_VERIFYING_KEY"
"""Names the PEM file of the public key that `verify` asks the signature for."""

AFTER_SEAL = "the run's report was sealed before this: invoke report.build takes it in"
_SEALS = {STATEMENT, ENVELOPE}
_AFTERWARDS = "undo/undone"
"""Made when a run is undone, and so after its seal."""


def is_sealed(run: store.Run) -> bool:
    """Return whether a run's report has been built: what comes later is not in it."""
    return (run.folder / STATEMENT).exists()


def build(space: Workspace, run: store.Run, made: report.Report) -> None:
    """Write every form of the report into the run's folder, with its proofs, and seal it."""
    evidence_store.collect(space.reports, run, made.tree_digest)
    standing = [other.folder for other in reversed(store.undoable(space.reports, space.root))]
    folders = plan_record.collect(run.folder, standing)
    facts = provenance.made(space.root, DiskTree(space.root))
    document = report.to_json(replace(made, tools=tool_versions.versions(), made=facts))
    kept = page.diffs_of(folders, [gap.slug for gap in made.gaps])
    forms = {
        "report.json": json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n",
        "report.md": markdown.to_markdown(made).encode(),
        "report.html": page.render(document, kept),
        "junit.xml": junit.render(document),
        "findings.sarif": sarif.render(document),
    }
    for name, content in forms.items():
        writer.durable_write(run.folder / name, content)
    statement = attestation.statement(document, digests(run.folder))
    writer.durable_write(run.folder / STATEMENT, statement)
    key = os.environ.get(SIGNING_KEY)
    if key:
        writer.durable_write(run.folder / ENVELOPE, attestation.sign(statement, Path(key)))
    else:
        (run.folder / ENVELOPE).unlink(missing_ok=True)


def verify(space: Workspace, run_id: str) -> ExitCode:
    """Print every file of a run that is not as sealed, and evidence about another tree.

    Without a run's id it is the newest one about the workspace's tree, else the newest of all.

    Returns GAPS_LEFT for a tampered, missing or unsealed file or a bad signature, UNPROVEN for
    stale evidence.
    """
    space.announce()
    newest = next(store.of_root(space.reports, space.root), None)
    run = store.find(space.reports, run_id or (newest.id if newest else store.LATEST))
    sealed, found = attestation.digests_of(_bytes(run.folder / STATEMENT)), digests(run.folder)
    wrong = [
        f"{name}: {_told(name, sealed, found)}"
        for name in sorted(sealed | found)
        if sealed.get(name) != found.get(name)
    ]
    wrong += _seal_troubles(run.folder, found)
    stale = _stale(run, {name for name in found if sealed.get(name) == found[name]})
    for line in wrong:
        say(f"{run.id}/{line}")
    for name, lines in groupby(stale, lambda line: line.partition(": ")[0]):
        of_file = [line for line in lines if line != name]
        answers = f", {counted(len(of_file), 'answer')}" if of_file else ""
        say(f"stale, the tree changed since: {name}{answers}")
        for line in of_file:
            say(f"  {line}", Detail.VERBOSE)
    count = counted(len(sealed), "file")
    sum_up(f"run {run.id}: {count} sealed, {len(wrong)} wrong, {len(stale)} stale")
    give("verified", {"run": run.id, "sealed": len(sealed), "wrong": wrong, "stale": stale})
    if wrong or not sealed:
        return ExitCode.GAPS_LEFT
    return ExitCode.UNPROVEN if stale else ExitCode.SETTLED


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of everything in the run's folder but the seals, by a name in UTF-8.

    A link, a pipe and whatever else is no file is no proof.
    """
    return {
        name: _sha256(place)
        for place in sorted(folder.rglob("*"))
        if place.is_symlink() or not place.is_dir()
        if (name := _name(place.relative_to(folder))) not in {*_SEALS, _AFTERWARDS}
    }


def _name(place: Path) -> str:
    return os.fsencode(place).decode("utf-8", "backslashreplace")


def _sha256(place: Path) -> str:
    if not stat.S_ISREG(place.lstat().st_mode):
        return "no file"
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal_troubles(folder: Path, found: dict[str, str]) -> list[str]:
    """Return what is wrong with the statement and its signature themselves."""
    statement, envelope = _bytes(folder / STATEMENT), _bytes(folder / ENVELOPE)
    troubles = []
    try:
        follows = attestation.statement(json_reader.loads(_bytes(folder / "report.json")), found)
    except (ValueError, KeyError, TypeError, AttributeError):
        follows = b""
    if statement != follows:
        troubles.append(f"{STATEMENT}: is not what the report and the files of this run give")
    if envelope and not attestation.holds(envelope, statement):
        troubles.append(f"{ENVELOPE}: signs another statement")
    key = os.environ.get(VERIFYING_KEY)
    if key and not envelope:
        troubles.append(f"{ENVELOPE}: a signature is asked for and there is none")
    elif key and not attestation.is_signed_by(envelope, statement, Path(key)):
        troubles.append(f"{ENVELOPE}: not a signature of this statement by that key")
    return troubles


def _stale(run: store.Run, sound: set[str]) -> list[str]:
    """Return the evidence about another tree, of those files that are as they were sealed."""
    tree_digest = digest(DiskTree(run.root))
    report_of = (
        json_reader.loads(_bytes(run.folder / "report.json")) if "report.json" in sound else {}
    )
    old = ["report.json"] if report_of.get("tree_digest", tree_digest) != tree_digest else []
    return old + [
        f"{place.name}: {item.probe}"
        for place in store.kept(run.evidence, "*.json")
        if str(place.relative_to(run.folder)) in sound
        for item in evidence_store.read(place)
        if item.tree_digest != tree_digest
    ]


def _bytes(place: Path) -> bytes:
    """Return a file's content, nothing where there is none to read; a link is no seal."""
    try:
        return b"" if place.is_symlink() else place.read_bytes()
    except OSError:
        return b""


def _told(name: str, sealed: dict[str, str], found: dict[str, str]) -> str:
    if name not in found:
        return "missing"
    return (
        "added after the report was built; build it again"
        if name not in sealed
        else "changed since"
    )
