"""The shapes of a report's JSON, from which `schemas/report.schema.json` is generated."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from closeout.model import Count, Deviation, Digest, Finding, Means, Text, Unresolved, Verdict
from closeout.runs.evidence_store import EvidenceRow
from closeout.runs.plan_record import Change

VerdictName = Annotated[str, Meta(extra_json_schema={"enum": [item.name for item in Verdict]})]


class GapRow(Struct, frozen=True, kw_only=True):
    """One gap: its verdict, and how many of its places were and are open."""

    slug: str
    issue: int
    title: str
    priority: str
    verdict: VerdictName
    criteria: Annotated[tuple[str, ...], Meta(min_length=1)]
    open_before: Count
    open_after: Count
    unnamed_before: Count
    unnamed_after: Count
    unresolved: tuple[Unresolved, ...]
    deviations: tuple[Deviation, ...]


class CriterionRow(Struct, frozen=True, kw_only=True):
    """One criterion: its verdict, the ground, and the evidence."""

    id: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9.-]*$")]
    text: Text
    verdict: VerdictName
    because: Text
    means: Means
    settled_by: Text
    rests_on: tuple[str, ...]
    evidence: tuple[EvidenceRow, ...]


class ClaimOutcome(Enum):
    """How a claim of a document ends."""

    HELD = "held"
    FALSE = "false"
    UNPROVABLE = "not provable here"
    UNKNOWN = "not understood"


class ClaimRow(Struct, frozen=True, kw_only=True):
    """One claim of a document that was held against the tree."""

    line: Count
    text: Text
    criterion: str
    outcome: ClaimOutcome
    because: Text


_PASSING = {"properties": {"passed": {"const": True}}}
_Proven = Annotated[
    CriterionRow,
    Meta(
        extra_json_schema={
            "if": {"properties": {"verdict": {"const": Verdict.CLOSED.name}}},
            "then": {"properties": {"evidence": {"minItems": 1, "contains": _PASSING}}},
        }
    ),
]
"""The invariant that no shape tells: what is CLOSED rests on evidence that passed."""


class ReportDocument(Struct, frozen=True, kw_only=True):
    """A report as `report.json` holds it."""

    work_order: str
    title: str
    order_sha256: Digest
    root: str
    tree_digest: Digest
    run: str
    tools: Mapping[str, Text]
    exit_code: Annotated[int, Meta(extra_json_schema={"enum": [0, 1, 3, 4]})]
    counts: Mapping[VerdictName, Count]
    gaps: Annotated[tuple[GapRow, ...], Meta(min_length=1)]
    criteria: Annotated[tuple[_Proven, ...], Meta(min_length=1)]
    bugs: tuple[Text, ...]
    notices: tuple[str, ...]
    findings: tuple[Finding, ...]
    unreadable: tuple[Unresolved, ...]
    changes: tuple[Change, ...]
    claims: tuple[ClaimRow, ...] = ()
    """What a document claims of the tree, where an audit was given one."""
    made: Mapping[str, Text] = {}
    """When it was made, by whom, and from which commit in which state, as far as is known."""
