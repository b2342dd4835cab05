"""An in-toto test-result statement about a run, signed as a DSSE envelope when a key is given."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from closeout.errors import CloseoutError
from closeout.fs import codec

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
PAYLOAD = "application/vnd.in-toto+json"
TOOL = "tool:"
"""Begins the name of a tool in the statement; the other names are files of the run's folder."""


class _Digest(Struct, frozen=True):
    sha256: str = ""


class _Configured(Struct, frozen=True):
    name: str
    digest: _Digest = _Digest()


class _Predicate(Struct, frozen=True):
    configuration: tuple[_Configured, ...]


class _Statement(Struct, frozen=True):
    predicate: _Predicate


class _Signature(Struct, frozen=True):
    sig: bytes


class _Envelope(Struct, frozen=True):
    payload: bytes
    """Base64 in the file, as the signatures are."""
    payloadType: str = ""  # noqa: N815 - DSSE's own name
    signatures: tuple[_Signature, ...] = ()


def statement(report: Mapping[str, Any], digests: Mapping[str, str]) -> bytes:
    """Return the statement: the tree is its subject, the run's files and tools its configuration.

    `digests` maps a file of the run's folder to its SHA-256 in hexadecimal. A criterion that is
    CLOSED passed; one that is UNPROVEN or WAIVED, which nobody has proven either, is a warning; one
    that does not apply to the tree is in no list, and any other failed.
    """
    by_verdict: dict[str, list[str]] = {}
    for row in report["criteria"]:
        by_verdict.setdefault(row["verdict"], []).append(f"{row['id']} {row['text']}")
    failed = [
        name for verdict in ("OPEN", "BLOCKED", "DRIFTED") for name in by_verdict.get(verdict, [])
    ]
    warned = by_verdict.get("UNPROVEN", []) + by_verdict.get("WAIVED", [])
    document = {
        "_type": STATEMENT,
        "subject": [{"name": report["root"], "digest": {"sha256": report["tree_digest"]}}],
        "predicateType": PREDICATE,
        "predicate": {
            "result": _result(failed, warned),
            "configuration": [
                *(
                    {"name": name, "digest": {"sha256": digest}}
                    for name, digest in sorted(digests.items())
                ),
                *(
                    {"name": f"{TOOL}{name}", "annotations": {"version": version}}
                    for name, version in sorted(report["tools"].items())
                ),
            ],
            "passedTests": by_verdict.get("CLOSED", []),
            "warnedTests": warned,
            "failedTests": failed,
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def digests_of(statement: bytes) -> dict[str, str]:
    """Return file to SHA-256 as a statement holds them, nothing where it is no statement."""
    try:
        sealed = codec.decode(_Statement, statement)
    except ValueError:
        return {}
    return {
        item.name: item.digest.sha256
        for item in sealed.predicate.configuration
        if not item.name.startswith(TOOL)
    }


def holds(envelope: bytes, payload: bytes) -> bool:
    """Return whether the DSSE envelope is about `payload`; says nothing of who signed it."""
    try:
        return codec.decode(_Envelope, envelope).payload == payload
    except ValueError:
        return False


def _result(failed: list[str], warned: list[str]) -> str:
    if failed:
        return "FAILED"
    return "WARNED" if warned else "PASSED"


def sign(payload: bytes, key: Path) -> bytes:
    """Return a DSSE envelope of `payload`, signed by the Ed25519 private key in the PEM file `key`.

    Raises CloseoutError("signing-key-unusable").
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to load
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - as above
        Ed25519PrivateKey,
    )

    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(key, str(error)) from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise _unusable(key, "it is no Ed25519 key")
    signature = loaded.sign(_encoded(payload))
    envelope = {
        "payloadType": PAYLOAD,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def is_signed_by(envelope: bytes, payload: bytes, key: Path) -> bool:
    """Return whether the envelope holds `payload`, signed by the PEM file `key`'s public key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow to load
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - as above
        Ed25519PublicKey,
    )

    try:
        loaded = serialization.load_pem_public_key(key.read_bytes())
        found = codec.decode(_Envelope, envelope)
        if found.payloadType != PAYLOAD or found.payload != payload:
            return False
        if not isinstance(loaded, Ed25519PublicKey):
            return False
        loaded.verify(found.signatures[0].sig, _encoded(payload))
    except (OSError, ValueError, IndexError, InvalidSignature):
        return False
    return True


def _encoded(payload: bytes) -> bytes:
    """Return what DSSE signs: its version, the payload's type and the payload, lengths included."""
    kind = PAYLOAD.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _unusable(key: Path, why: str) -> CloseoutError:
    return CloseoutError(
        "signing-key-unusable",
        f"{key.name} cannot sign: {why}",
        hint="make one: openssl genpkey -algorithm ed25519 -out signing.key",
    )
