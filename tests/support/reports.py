"""A report over the whole order, with every verdict in it, made without running anything."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path, PurePosixPath

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from closeout.engine import evaluate
from closeout.gaps import GAPS
from closeout.model import Check, Finding, Means, Measure, Reason, Unresolved
from closeout.model.verdicts import Evidence, Waiver
from closeout.reporting.report import Report
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import evidence

TREE = "ab" * 32
OPEN, WAIVED, UNPROVEN, BLOCKED = "1.1", "2.1", "9.2", "3.1"
"""Criteria that the report rules so; every other one is closed."""

HOSTILE = {
    "controls": "a\x00\x07\x1b[2J\x0b\x7f\x85b",
    "end of CDATA": "a]]><b>&amp;",
    "end of script": "a</script><script>alert(1)</script><!--",
    "lone surrogates": "a\ud800b\udfffc",
    "directions": "a\u202eb\u2066c\u200bd\ufeffe\u2028f",
    "a megabyte": "x" * 1_000_000,
    "Markdown": "| a | `b` [c](https://x.example) ![d](https://y.example/z.png) <img src=x> \\| e",
    "not characters": "a\ufffe\uffffb",
}
"""What a service might answer or a source might hold, by what is wrong with it."""

_PLACE = PurePosixPath("cloud-layer/a b/app/main.py")
_MEASURES = {
    "5.5": (
        Measure(name="statements", value=98.5, unit="%", floor=70),
        Measure(name="branches", value=69.5, unit="%", floor=70),
    ),
    "9.4": (
        Measure(name="RPO", value=86400, unit="s"),
        Measure(name="RTO", value=3.25, unit="s"),
    ),
}
_PROBES = {
    "5.5": "billing-tests.coverage",
    "9.4": "backup.restore-drill",
    "7.1": "headers.nosniff@cloud-weather-service",
    "8.4": "mqtt-tls.scanner-intermediate",
}


def made(*, findings: int = 2, text: str = "a wildcard", run: str = "a-run") -> Report:
    """Return a report with `findings` open places; `text` is what each of them and a probe told."""
    places = tuple(_finding(number, text) for number in range(findings))
    refused = Unresolved(path=_PLACE, reason=Reason.UNPARSABLE, detail=text)
    detection = {
        "cors": (
            Check(rule="wildcard", criterion=OPEN, examined=(_PLACE,), findings=places),
            Check(rule="helper", criterion="1.2", examined=(_PLACE,)),
        ),
        "sql": (Check(rule="parse", criterion=BLOCKED, examined=(_PLACE,), unresolved=(refused,)),),
    }
    waiver = Waiver(
        subject=WAIVED,
        who="Mali",
        when=date(2026, 1, 1),
        why=text,
        until=date(2026, 9, 1),
    )
    case = evaluate.Case(
        tree_digest=TREE,
        detection=detection,
        evidence=tuple(_asked(number, text) for number in _proven()),
        waivers={WAIVED: waiver},
    )
    counts = {gap.slug: 3 for gap in GAPS}
    return Report(
        work_order=WO_004,
        gaps=GAPS,
        root="farmiq",
        tree_digest=TREE,
        run_id=run,
        rulings=evaluate.judge(WO_004, case),
        before=counts,
        after={**dict.fromkeys(counts, 0), "cors": findings},
        unnamed_before=dict.fromkeys(counts, 1),
        unresolved={"sql": (refused,)},
        findings=places,
        notices=(f"waiver of 2.1 by Mali ends in 3 days {text}",),
        tools={"closeout": "0.1.0", "git": "2.39.5"},
    )


def key_pair(folder: Path) -> tuple[Path, Path]:
    """Write an Ed25519 key pair into `folder` and return its private and its public file."""
    folder.mkdir(exist_ok=True)
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


def with_changed_byte(encoded: str) -> str:
    """Return base64 of other bytes of the same length."""
    content = bytearray(base64.b64decode(encoded))
    content[0] ^= 1
    return base64.b64encode(bytes(content)).decode()


def _proven() -> list[str]:
    return [
        row.id
        for row in WO_004.criteria
        if not row.rests_on and row.id not in {OPEN, UNPROVEN, BLOCKED}
    ]


def _asked(number: str, text: str) -> Evidence:
    return evidence(
        number,
        probe=_PROBES.get(number, f"toy.{number}"),
        passed=number != WAIVED,
        observed=text,
        command=f"ask {number}",
        tree_digest=TREE,
        means=Means.OPERATOR if number not in _PROBES else Means.LIVE,
        measures=_MEASURES.get(number, ()),
    )


def _finding(number: int, text: str) -> Finding:
    return Finding(
        gap="cors",
        rule="wildcard",
        criterion=OPEN,
        path=_PLACE,
        line=number + 1,
        message=f"place {number}: {text}",
        excerpt=text,
        named=number % 2 == 0,
    )
