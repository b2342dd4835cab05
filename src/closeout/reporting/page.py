"""A report as one self-contained HTML page: no request leaves it, and hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from closeout import resources
from closeout.console.sanitize import shown
from closeout.reporting import measures
from closeout.reporting.documents import ClaimOutcome
from closeout.runs import store
from closeout.runs.plan_record import DIFF_NAMES

_MARKS = {
    "proof": "✕ → ✓",
    "guard": "✓ → ✓",
    "observed": "✓",
    "open": "✕",
    "regression": "✓ → ✕",
    "not run": "?",
}
_TOLD = {
    "proof": "red before, green now",
    "guard": "green before and now",
    "observed": "green now, not asked before",
    "open": "red now",
    "regression": "green before, red now",
    "not run": "did not run",
}
_WHO = {
    "operator": "an operator of the cluster or the bucket",
    "live": "anyone with this checkout",
    "suite": "anyone with this checkout",
    "static": "anyone with this checkout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """One patch that a run used or derived, for a reader to look at."""

    gap: str
    title: str
    origin: str
    text: str

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Return the diff's lines, neighbours of one kind together: add, del, at or neither."""
        runs = groupby(self.text.split("\n"), key=_kind)
        return [(kind, "\n".join(lines) + "\n") for kind, lines in runs]

    @property
    def size(self) -> str:
        """Return how many lines the diff adds and takes away."""
        kinds = [_kind(line) for line in self.text.split("\n")]
        return f"+{kinds.count('add')} -{kinds.count('del')}"


def render(report: Mapping[str, Any], diffs: Sequence[Diff]) -> bytes:
    """Return the page. `report` is the object of `schemas/report.schema.json`."""
    style = resources.verbatim("templates/report/page.css").decode()
    script = resources.verbatim("templates/report/page.js").decode()
    counts = {name: count for name, count in report["counts"].items() if count}
    items = measures.owned(report)
    return _rendered(
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
            "who": _WHO,
            "kinds": [(kind, _MARKS[kind], told) for kind, told in _TOLD.items()],
            "most_open": max(
                1, *(gap[side] for gap in report["gaps"] for side in ("open_before", "open_after"))
            ),
            "adrs": sorted({item["adr"] for gap in report["gaps"] for item in gap["deviations"]}),
            "claims": _claims(report),
            "matrices": _matrices(items),
            "stand_ins": _stand_ins(items),
            "bars": measures.bars(items),
            "figures": measures.figures(items),
            "grades": measures.grades(items),
            "findings_json": _findings(report),
            "diffs": [
                (gap, [diff for diff in diffs if diff.gap == gap["slug"]])
                for gap in report["gaps"]
                if any(diff.gap == gap["slug"] for diff in diffs)
            ],
        },
    )


def _claims(report: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return a document's claims by how they end, those that are held last."""
    ends = sorted(ClaimOutcome, key=lambda item: item is ClaimOutcome.HELD)
    made = report.get("claims", ())
    return [(end.value, [row for row in made if row["outcome"] == end.value]) for end in ends]


def diffs_of(folders: Sequence[Path], slugs: Sequence[str]) -> tuple[Diff, ...]:
    """Return the diffs that runs kept, each named NNN-gap-name.origin.patch, of the given gaps."""
    made = []
    for place in (place for folder in folders for place in store.kept(folder, DIFF_NAMES)):
        title, origin = place.stem.split("-", 1)[1].rsplit(".", 1)
        gap = max((slug for slug in slugs if title.startswith(f"{slug}-")), key=len, default="")
        text = place.read_bytes().decode("utf-8", "replace")
        made.append(Diff(gap=gap, title=_touched(text), origin=origin, text=text))
    return tuple(made)


def _kind(line: str) -> str:
    if line.startswith(("--- a/", "--- /dev/null", "+++ b/", "+++ /dev/null")):
        return "at"
    return {"+": "add", "-": "del", "@": "at"}.get(line[:1], "")


def _touched(text: str) -> str:
    paths = re.findall(r"^diff --git a/(.+) b/", text, re.MULTILINE)
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else "nothing"


def _headline(counts: Mapping[str, int], total: int) -> str:
    closed = counts.get("CLOSED", 0)
    applicable = total - counts.get("NOT_APPLICABLE", 0)
    left = sum(counts.get(name, 0) for name in ("OPEN", "BLOCKED", "DRIFTED"))
    if left:
        return f"{left} of {total} criteria are not met"
    if not applicable:
        return f"none of the {total} criteria applies to this tree"
    told = "" if applicable == total else " that apply"
    if closed == applicable:
        return f"all {applicable} criteria{told} are closed"
    return f"{closed} of {applicable} criteria{told} closed, none open, the rest not proven here"


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


def _matrices(items: Sequence[measures.Item]) -> list[dict[str, Any]]:
    """Return a table a gap: probes by services, one column where a probe has no service."""
    by_gap: dict[str, dict[str, dict[str, measures.Item]]] = {}
    for item in items:
        if item["means"] != "live":
            continue
        name, _, service = item["probe"].partition("@")
        gap, _, short = name.partition(".")
        by_gap.setdefault(gap, {}).setdefault(short, {})[service] = item
    return [_matrix(gap, rows) for gap, rows in sorted(by_gap.items())]


def _stand_ins(items: Sequence[measures.Item]) -> list[Mapping[str, Any]]:
    """Return how each service was started, all that stood in for something in any of its boots."""
    found: dict[str, dict[str, Any]] = {}
    for made in (made for item in items for made in item.get("stand_ins", ())):
        row = found.setdefault(made["service"], {"service": made["service"]})
        for key in ("launcher", "note"):
            row[key] = row.get(key) or made.get(key, "")
        for key in ("stubbed", "filled", "replaced"):
            row[key] = sorted({*row.get(key, ()), *made.get(key, ())})
    return [row for _, row in sorted(found.items())]


def _matrix(gap: str, rows: Mapping[str, Mapping[str, measures.Item]]) -> dict[str, Any]:
    services = sorted({service for cells in rows.values() for service in cells})
    kinds = [item["kind"] for cells in rows.values() for item in cells.values()]
    return {
        "title": gap,
        "services": [service or "all" for service in services],
        "asked": len(kinds),
        "proofs": kinds.count("proof"),
        "red": kinds.count("open") + kinds.count("regression"),
        "rows": [
            (
                name,
                next(iter(cells.values()))["criterion"],
                [_cell(cells.get(service)) for service in services],
            )
            for name, cells in sorted(rows.items())
        ],
    }


def _cell(item: measures.Item | None) -> dict[str, str]:
    if item is None:
        return {"kind": "", "mark": "", "told": ""}
    kind = item["kind"]
    return {"kind": kind, "mark": _MARKS[kind], "told": _TOLD[kind]}


def _findings(report: Mapping[str, Any]) -> Markup:
    rows = [
        [
            shown(f"{place['path']}:{place['line']}"),
            place["criterion"],
            f"{place['gap']}/{place['rule']}",
            "named" if place["named"] else "not named",
            shown(place["message"]),
            shown(place["excerpt"]),
        ]
        for place in report["findings"]
    ]
    # Inside a script element only the end of the element could end it.
    text = json.dumps(rows, ensure_ascii=True).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - JSON whose every angle bracket is escaped


def _rendered(template: str, values: Mapping[str, object]) -> bytes:
    """Return `templates/<template>` as HTML, every value escaped unless it is marked as safe.

    Characters that are not shown, or that turn their neighbours round, are written as escapes.

    Raises CloseoutError("template-broken") as `resources.render` does.
    """
    try:
        environment = resources.environment().overlay(autoescape=True, finalize=_finalize)
        return environment.get_template(template).render(values).encode()
    except TemplateError as error:
        raise resources.broken_template(template, error) from error


def _finalize(value: object) -> object:
    """Write hidden characters of a value as escapes; what is marked as safe is left as it is."""
    return shown(value) if type(value) is str else value
