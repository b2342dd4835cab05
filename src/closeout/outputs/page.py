"""A report as one self-contained HTML page: no request leaves it, and hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from closeout import rendering

_MARKS = {
    "proof": "●",
    "guard": "○",
    "observed": "○",
    "open": "✕",
    "regression": "✕",
    "not run": "?",
}
_RATIO = re.compile(r"(statements|branches) (\d+)/(\d+)")
_FLOORS = {
    "billing-tests.coverage": ("Billing suite", 70),
    "vision-tests.coverage": ("Vision suite", 60),
}
_NOTED = {"backup.restore-drill": "Backup: RPO and RTO", "sql.cohort-values": "Survival figures"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """One patch that a run used or derived, for a reader to look at."""

    gap: str
    title: str
    origin: str
    text: str

    @property
    def lines(self) -> int:
        """Return how many lines the diff has."""
        return self.text.count("\n")


def render(report: Mapping[str, Any], diffs: Sequence[Diff]) -> bytes:
    """Return the page. `report` is the object of `schemas/report.schema.json`."""
    style = rendering.verbatim("templates/report/page.css").decode()
    script = rendering.verbatim("templates/report/page.js").decode()
    counts = {name: count for name, count in report["counts"].items() if count}
    return rendering.render_page(
        "report/page.html.j2",
        {
            "report": report,
            "headline": _headline(counts, len(report["criteria"])),
            "strip": _strip(counts),
            "strip_label": ", ".join(f"{count} {name}" for name, count in counts.items()),
            "style": Markup(style),  # noqa: S704 - our own stylesheet
            "script": Markup(script),  # noqa: S704 - our own script
            "style_hash": _source_hash(style),
            "script_hash": _source_hash(script),
            "unproven": _unproven(report),
            "matrices": _matrices(report),
            "bars": _bars(report),
            "notes": _notes(report),
            "findings_json": _findings(report),
            "diffs": diffs,
        },
    )


def diffs_of(folder: Path) -> tuple[Diff, ...]:
    """Return the diffs that a run kept below its `patches/`, named NNN-gap-title.origin.patch."""
    made = []
    for place in sorted(folder.glob("*.patch")):
        number_and_title, origin = place.stem.rsplit(".", 1)
        title = number_and_title.split("-", 1)[1]
        text = place.read_bytes().decode("utf-8", "replace")
        made.append(Diff(gap=title, title=_touched(text), origin=origin, text=text))
    return tuple(made)


def _touched(text: str) -> str:
    paths = re.findall(r"^diff --git a/(.+) b/", text, re.MULTILINE)
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else "nothing"


def _headline(counts: Mapping[str, int], total: int) -> str:
    closed = counts.get("CLOSED", 0)
    left = sum(counts.get(name, 0) for name in ("OPEN", "BLOCKED", "DRIFTED"))
    if left:
        return f"{left} of {total} criteria are not met"
    if closed == total:
        return f"all {total} criteria are closed"
    return f"{closed} of {total} criteria closed, none open, the rest not proven here"


def _strip(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return each verdict's place on a strip that is 100 wide, with a gap between them."""
    total, start, parts = sum(counts.values()), 0.0, []
    for name, count in counts.items():
        width = 100 * count / total
        parts.append({"name": name, "start": round(start, 2), "width": round(width - 0.3, 2)})
        start += width
    return parts


def _source_hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"


def _unproven(report: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in report["criteria"]:
        if row["verdict"] == "UNPROVEN" and not row["rests_on"]:
            grouped.setdefault(row["settled_by"], []).append(row)
    return list(grouped.items())


def _evidence(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for row in report["criteria"] if not row["rests_on"] for item in row["evidence"]]


def _matrices(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a table a gap: probes by services, one column where a probe has no service."""
    by_gap: dict[str, dict[str, dict[str, str]]] = {}
    for item in _evidence(report):
        if item["means"] != "live":
            continue
        name, _, service = item["probe"].partition("@")
        gap, _, short = name.partition(".")
        by_gap.setdefault(gap, {}).setdefault(short, {})[service] = item["kind"]
    return [_matrix(gap, rows) for gap, rows in sorted(by_gap.items())]


def _matrix(gap: str, rows: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    services = sorted({service for cells in rows.values() for service in cells})
    return {
        "title": gap,
        "services": [service or "all" for service in services],
        "rows": [
            (name, [_cell(cells.get(service, "")) for service in services])
            for name, cells in sorted(rows.items())
        ],
    }


def _cell(kind: str) -> dict[str, str]:
    return {"kind": kind, "mark": _MARKS.get(kind, "")}


def _bars(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    bars = []
    for item in _evidence(report):
        title, floor = _FLOORS.get(item["probe"], ("", 0))
        for what, hit, of in _RATIO.findall(item["observed"]) if title else ():
            if int(of):
                share = round(100 * int(hit) / int(of), 1)
                bars.append({"title": f"{title}, {what}", "value": share, "floor": floor})
    return bars


def _notes(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (_NOTED[item["probe"]], item["observed"])
        for item in _evidence(report)
        if item["probe"] in _NOTED
    ]


def _findings(report: Mapping[str, Any]) -> Markup:
    rows = [
        [
            f"{place['path']}:{place['line']}",
            place["criterion"],
            f"{place['gap']}/{place['rule']}",
            "named" if place["named"] else "not named",
            place["message"],
        ]
        for place in report["findings"]
    ]
    # Inside a script element only the end of the element could end it.
    text = json.dumps(rows, ensure_ascii=True).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - JSON whose every angle bracket is escaped
