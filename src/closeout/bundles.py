"""One run's bundle: every form of its report, sealed by digest and attested.

`build` writes the report as JSON, Markdown, HTML, JUnit and SARIF, gathers the proofs it rests on
below `evidence/`, and seals all of it in an in-toto statement; `verify` checks that again.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from closeout import evidence, report, runs, writer
from closeout.errors import ExitCode
from closeout.outputs import attestation, junit, page, sarif
from closeout.telling import give, say
from closeout.tree import DiskTree, digest
from closeout.workspace import Workspace

STATEMENT = "attestation.json"
ENVELOPE = "attestation.dsse.json"
SIGNING_KEY = "CLOSEOUT_SIGNING_KEY"
"""Names the PEM file of an Ed25519 private key; without it the statement is not signed."""
VERIFYING_KEY = "CLOSEOUT_VERIFYING_KEY"
"""Names the PEM file of the public key that `verify` asks the signature for."""

_SEALED = (
    "report.json",
    "report.md",
    "report.html",
    "*.xml",
    "*.sarif",
    "plan.json",
    "claims.json",
    "order-audit.json",
    "evidence/*.json",
    "patches/*.patch",
)


def build(space: Workspace, run: runs.Run, made: report.Report) -> None:
    """Write every form of the report into the run's folder, with its proofs, and seal it."""
    evidence.collect(space.reports, run, made.tree_digest)
    document = report.to_json(made)
    forms = {
        "report.json": json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n",
        "report.md": report.to_markdown(made).encode(),
        "report.html": page.render(document, page.diffs_of(run.folder / "patches")),
        "junit.xml": junit.render(document),
        "findings.sarif": sarif.render(document),
    }
    for name, content in forms.items():
        writer.durable_write(run.folder / name, content)
    statement = attestation.statement(document, _digests(run.folder))
    writer.durable_write(run.folder / STATEMENT, statement)
    key = os.environ.get(SIGNING_KEY)
    if key:
        writer.durable_write(run.folder / ENVELOPE, attestation.sign(statement, Path(key)))
    else:
        (run.folder / ENVELOPE).unlink(missing_ok=True)


def verify(space: Workspace, run_id: str) -> ExitCode:
    """Print every file of a run that is not as sealed, and evidence about another tree.

    Returns GAPS_LEFT for a tampered, missing or unsealed file or a bad signature, UNPROVEN for
    stale evidence.
    """
    space.announce()
    run = runs.find(space.reports, run_id or runs.LATEST)
    sealed, found = _sealed(run.folder), _digests(run.folder)
    wrong = [
        f"{name}: {_told(name, sealed, found)}"
        for name in sorted(sealed | found)
        if sealed.get(name) != found.get(name)
    ]
    wrong += _signature_troubles(run.folder)
    stale = _stale(run)
    for line in wrong:
        say(f"{run.id}/{line}")
    for line in stale:
        say(f"stale, the tree changed since: {line}")
    say(f"run {run.id}: {len(sealed)} files sealed, {len(wrong)} wrong, {len(stale)} stale")
    give("verified", {"run": run.id, "sealed": len(sealed), "wrong": wrong, "stale": stale})
    if wrong or not sealed:
        return ExitCode.GAPS_LEFT
    return ExitCode.UNPROVEN if stale else ExitCode.SETTLED


def _sealed(folder: Path) -> dict[str, str]:
    """Return the digests that the run's statement holds, none where there is no statement."""
    try:
        document = json.loads((folder / STATEMENT).read_bytes())
        entries = document["predicate"]["configuration"]
        return {str(entry["name"]): str(entry["digest"]["sha256"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _signature_troubles(folder: Path) -> list[str]:
    key = os.environ.get(VERIFYING_KEY)
    if not key:
        return []
    envelope, statement = folder / ENVELOPE, folder / STATEMENT
    if not envelope.is_file() or not statement.is_file():
        return [f"{ENVELOPE}: a signature is asked for and there is none"]
    if attestation.is_signed_by(envelope.read_bytes(), statement.read_bytes(), Path(key)):
        return []
    return [f"{ENVELOPE}: not a signature of this statement by that key"]


def _stale(run: runs.Run) -> list[str]:
    tree_digest = digest(DiskTree(run.root))
    return [
        f"{place.name}: {item.probe}"
        for place in sorted(run.evidence.glob("*.json"))
        for item in evidence.read(place)
        if item.subject_digest != tree_digest
    ]


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
