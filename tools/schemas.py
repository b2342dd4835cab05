"""Generate the published JSON schemas from the types of what is read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from closeout.console import output
from closeout.errors import ExitCode
from closeout.formats.declarations import LaunchSettings, OwnNames
from closeout.gaps.backup.probing import drill
from closeout.gaps.external_secrets.settings import Settings
from closeout.gaps.mqtt_tls.certificates.expiry import CertificateStatus
from closeout.harness.service_discovery import Declaration
from closeout.model import Count, Finding, Text, Unresolved
from closeout.reporting.documents import ReportDocument
from closeout.runs.evidence_store import EvidenceRow
from closeout.runs.plan_record import Record
from closeout.workorders.order_check import Remark
from closeout.workorders.order_files import OrderFile

FOLDER = "src/closeout/formats/schemas"
_Texts = tuple[str, ...]
_Counts = Mapping[str, Count]
_Open = Mapping[str, Any]


class _Declarations(Struct, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    gaps: Annotated[
        tuple[Text, ...] | UnsetType,
        Meta(description="The gaps to run, by slug; every one where it is left out."),
    ] = UNSET
    is_orders_own: Annotated[
        bool | UnsetType,
        Meta(description="Whether the tree is the order's own, so that it misses what that lists."),
    ] = UNSET
    kubernetes: Annotated[
        bool | UnsetType,
        Meta(description="Whether the tree is deployed to a cluster, though it has no manifest."),
    ] = UNSET
    order: Annotated[
        Text | UnsetType, Meta(description="A work order of the team's own, as a TOML file.")
    ] = UNSET
    plugins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_]\w*)?$")], ...]
        | UnsetType,
        Meta(description="Modules with a gap each, as MODULE or MODULE:NAME; GAP if unsaid."),
    ] = UNSET
    names: OwnNames | UnsetType = UNSET
    launch: LaunchSettings | UnsetType = UNSET
    service: tuple[Declaration, ...] | UnsetType = UNSET
    external_secrets: Settings | UnsetType = UNSET


class _Monorepo(Struct, kw_only=True):
    root: str
    origin: str


class _Folder(Struct, kw_only=True):
    id: str
    folder: str


class _Undone(Struct, kw_only=True):
    run: str
    files: _Texts
    left: _Texts


class _Session(Struct, kw_only=True):
    session: str
    run: str
    file: str
    kinds: _Counts
    evidence: tuple[EvidenceRow, ...]


class _Verified(Struct, kw_only=True):
    run: str
    sealed: Count
    wrong: _Texts
    stale: _Texts


class _Fleet(Struct, kw_only=True):
    folder: str
    clients: Count
    written: Count


class _Compared(Struct, kw_only=True):
    what: str
    files: Count
    wrong: _Texts


class _SecretPlace(Struct, kw_only=True):
    path: str
    line: int
    origin: str


class _Secret(Struct, kw_only=True):
    service: str
    name: str
    literal: bool
    fallback: bool
    places: tuple[_SecretPlace, ...]


class _Hunk(Struct, kw_only=True):
    place: str
    probe: str
    detector: str


class _Variant(Struct, kw_only=True):
    gap: str
    name: str
    passed: bool | None
    outcome: str
    told: str


class _Policy(Struct, kw_only=True):
    kept: Count
    broken: Count
    unwaived: _Texts


class _Fuzzed(Struct, kw_only=True):
    ended: _Counts
    troubles: _Counts


class _Parts(Struct, kw_only=True, forbid_unknown_fields=True):
    monorepo: _Monorepo | UnsetType = UNSET
    plan: Annotated[
        Record | UnsetType, Meta(description="fix.*: what is open, written and refused; plan.json")
    ] = UNSET
    derived: Annotated[
        _Texts | UnsetType, Meta(description="fix.* --dry-run: diffs computed on this tree")
    ] = UNSET
    run: _Folder | UnsetType = UNSET
    report: Annotated[
        _Open | UnsetType,
        Meta(description="fix.*, audit.all, report.build: as report.schema.json says"),
    ] = UNSET
    undone: _Undone | UnsetType = UNSET
    places: Annotated[tuple[Finding, ...] | UnsetType, Meta(description="detect.all")] = UNSET
    not_judged: tuple[Unresolved, ...] | UnsetType = UNSET
    sessions: Annotated[
        tuple[_Session, ...] | UnsetType, Meta(description="one a session that ran")
    ] = UNSET
    judged: Annotated[
        tuple[EvidenceRow, ...] | UnsetType,
        Meta(description="gate all: the suites' evidence about this tree"),
    ] = UNSET
    order_audit: tuple[Remark, ...] | UnsetType = UNSET
    claims: _Open | UnsetType = UNSET
    verified: _Verified | UnsetType = UNSET
    written: Annotated[
        _Texts | UnsetType,
        Meta(description="paths of what was written, or would be by a dry run"),
    ] = UNSET
    kept: Count | UnsetType = UNSET
    next: str | UnsetType = UNSET
    folder: str | UnsetType = UNSET
    certificates: tuple[CertificateStatus, ...] | UnsetType = UNSET
    fleet: _Fleet | UnsetType = UNSET
    compared: tuple[_Compared, ...] | UnsetType = UNSET
    wrong: _Texts | UnsetType = UNSET
    script: drill.ScriptRun | UnsetType = UNSET
    secrets: tuple[_Secret, ...] | UnsetType = UNSET
    unclaimed: _Texts | UnsetType = UNSET
    python: str | UnsetType = UNSET
    hunks: tuple[_Hunk, ...] | UnsetType = UNSET
    variants: tuple[_Variant, ...] | UnsetType = UNSET
    measured: tuple[_Open, ...] | UnsetType = UNSET
    policy: _Policy | UnsetType = UNSET
    fuzzed: _Fuzzed | UnsetType = UNSET


class _Error(Struct, kw_only=True):
    reference: str
    message: str
    hint: Text


class _Result(Struct, kw_only=True):
    schema: Annotated[str, Meta(extra_json_schema={"const": output.SCHEMA})]
    command: str
    exit_code: ExitCode
    outcome: Annotated[str, Meta(extra_json_schema={"enum": [code.name for code in ExitCode]})]
    result: _Parts
    error: _Error | None


def files() -> dict[str, str]:
    """Return the text of every published schema by its path."""
    return {
        f"{FOLDER}/{name}.schema.json": json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        for name, made in {
            "closeout": _schema(
                _Declarations, "closeout.toml: what a monorepo declares or corrects"
            ),
            "order": _schema(OrderFile, "a work order as data"),
            "report": _schema(ReportDocument, "closeout report"),
            "result": _schema(
                _Result,
                "closeout result, version 1",
                "What every command writes to stdout with --json. A part is left out where a "
                "command has none; parts may be added within version 1, none is renamed or "
                "removed.",
            ),
        }.items()
    }


def _schema(kind: type, title: str, description: str = "") -> dict[str, Any]:
    made = msgspec.json.schema(kind, schema_hook=_hook)
    shapes = made["$defs"]
    for name, shape in shapes.items():
        shape.pop("title")
        if "properties" in shape and "additionalProperties" not in shape:
            _close(name, shape)
    about = {"description": description} if description else {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **_inlined(shapes[kind.__name__], shapes),
        **about,
        "$defs": {
            name: _inlined(shape, shapes)
            for name, shape in sorted(shapes.items())
            if not name.startswith("_") and name != kind.__name__
        },
    }


def _inlined(shape: Any, shapes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON holds anything
    """Return a shape in which ours, which have no name for others, stand where they are used."""
    if isinstance(shape, list):
        return [_inlined(item, shapes) for item in shape]
    if not isinstance(shape, dict):
        return shape
    name = str(shape.get("$ref", "")).rpartition("/")[2]
    if name.startswith("_"):
        rest = {key: value for key, value in shape.items() if key != "$ref"}
        return _inlined(shapes[name], shapes) | rest
    return {key: _inlined(item, shapes) for key, item in shape.items()}


def _close(name: str, shape: dict[str, Any]) -> None:
    """Promise every member of an object that we write, and no other."""
    shape["additionalProperties"] = False
    if name != EvidenceRow.__name__:
        shape["required"] = list(shape["properties"])


def _hook(kind: type) -> dict[str, Any]:
    """Return the schema of a type that msgspec does not know: paths are text."""
    if kind is PurePosixPath:
        return {"type": "string"}
    raise NotImplementedError(kind)
