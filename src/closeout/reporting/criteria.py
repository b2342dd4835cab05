"""A report's criteria as a page shows them: what is left first, by gap, probes as grids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from closeout.engine import waivers
from closeout.model import Verdict

Row = Mapping[str, Any]
"""One criterion, or one piece of evidence, as in `schemas/report.schema.json`."""

_KINDS = {
    "proof": ("✕ → ✓", "red before, green now"),
    "guard": ("✓ → ✓", "green before and now"),
    "observed": ("✓", "green now, not asked before"),
    "open": ("✕", "red now"),
    "regression": ("✓ → ✕", "green before, red now"),
    "not run": ("?", "did not run"),
}
KINDS = [(kind, mark, told) for kind, (mark, told) in _KINDS.items()]
"""Every kind of proof: its name, its mark, and what it says."""

_WHO = {"operator": "an operator of the cluster or the bucket"}
_ANYBODY = "anyone with this checkout"
_OWNER = "whoever owns the code"
_REST = {"M": "Manual checks of the order", "D": "Definition of done"}
_SETTLED = {verdict.name for verdict in Verdict if verdict < Verdict.UNPROVEN}


def is_settled(row: Row) -> bool:
    """Return whether nothing is left to do for a criterion."""
    return row["verdict"] in _SETTLED


def groups(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the criteria by gap, then the order's other boxes; what is left stands first."""
    gap_of = {number: gap["slug"] for gap in report["gaps"] for number in gap["criteria"]}
    titles = {gap["slug"]: f"{gap['issue']}. {gap['title']}" for gap in report["gaps"]} | _REST
    made = []
    for key, title in titles.items():
        mine = [row for row in report["criteria"] if gap_of.get(row["id"], row["id"][0]) == key]
        if mine:
            made.append(
                {
                    "title": title,
                    "left": [_shown(row) for row in mine if not is_settled(row)],
                    "closed": [_shown(row) for row in mine if is_settled(row)],
                }
            )
    return made


def left(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is left: the command or the way, who can go it, and the criteria it settles."""
    gap_of = {number: gap for gap in report["gaps"] for number in gap["criteria"]}
    found: dict[tuple[str, str], list[Row]] = {}
    for row in report["criteria"]:
        if not is_settled(row) and not row["rests_on"]:
            found.setdefault(_settled_by(row, gap_of.get(row["id"])), []).append(row)
    return [{"by": by, "who": who, "rows": rows} for (by, who), rows in found.items()]


def _settled_by(row: Row, gap: Row | None) -> tuple[str, str]:
    if row["verdict"] == Verdict.UNPROVEN.name:
        accepts = waivers.FILE in row["settled_by"]
        return row["settled_by"], _OWNER if accepts else _WHO.get(row["means"], _ANYBODY)
    if gap and gap["open_after"] and not gap["unresolved"]:
        return f"invoke fix.{gap['slug']}", _ANYBODY
    return "", _OWNER


def _shown(row: Row) -> dict[str, Any]:
    """Return a criterion with its evidence as a grid of services, and the rest as rows."""
    asked = () if row["rests_on"] else row["evidence"]
    on_services = [item for item in asked if "@" in item["probe"]]
    bad = [item for item in on_services if item["passed"] is not True]
    others = [item for item in asked if "@" not in item["probe"]]
    one_each = {item["probe"].partition("@")[0]: item for item in reversed(on_services)}
    return {
        **row,
        "grid": grid("", on_services) if on_services else None,
        "proofs": [*bad, *others],
        "asked": [] if bad or not on_services else list(reversed(one_each.values())),
    }


def grids(items: Iterable[Row]) -> list[dict[str, Any]]:
    """Return a grid a gap of what was asked of running parts."""
    by_gap: dict[str, list[Row]] = {}
    for item in items:
        if item["means"] == "live":
            by_gap.setdefault(item["probe"].partition(".")[0], []).append(item)
    return [grid(gap, mine) for gap, mine in sorted(by_gap.items())]


def grid(title: str, items: Sequence[Row]) -> dict[str, Any]:
    """Return probes by services, one column where a probe has no service."""
    rows: dict[str, dict[str, Row]] = {}
    for item in items:
        name, _, service = item["probe"].partition("@")
        rows.setdefault(name.partition(".")[2] or name, {})[service] = item
    services = sorted({service for cells in rows.values() for service in cells})
    kinds = [item["kind"] for item in items]
    return {
        "title": title,
        "services": [service or "all" for service in services],
        "asked": len(kinds),
        "proofs": kinds.count("proof"),
        "red": kinds.count("open") + kinds.count("regression"),
        "rows": [
            (
                name,
                next(iter(cells.values()))["criterion"],
                [_cell(service or "all", cells.get(service)) for service in services],
            )
            for name, cells in sorted(rows.items())
        ],
    }


def _cell(service: str, item: Row | None) -> dict[str, str]:
    kind = item["kind"] if item else ""
    mark, told = _KINDS[kind] if kind else ("", "")
    return {"service": service, "kind": kind, "mark": mark, "told": told}
