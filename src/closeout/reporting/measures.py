"""What a report measured: coverage against floors, grades, and the times of a restore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from closeout.gaps import GAPS
from closeout.model import Gap

Item = Mapping[str, Any]
"""One piece of evidence, as in `schemas/report.schema.json`."""

_GRADES = ((1.0, "A"), (0.9, "B"), (0.75, "C"), (0.5, "D"))

_SIDES = ("open_before", "open_after")
_KEPT = {"RPO", "RTO"}
"""Figures that a reader keeps."""
_HOUR, _MINUTE = 3600, 60


def owned(report: Mapping[str, Any]) -> list[Item]:
    """Return every piece of evidence once: not again where a criterion rests on others."""
    return [item for row in report["criteria"] if not row["rests_on"] for item in row["evidence"]]


def bars(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return every measure that has a floor: what it is, its value, its floor, whether it holds."""
    return [
        {
            "title": f"{item['probe'].partition('.')[0].replace('-', ' ')}: {taken['name']}",
            "criterion": item["criterion"],
            "value": taken["value"],
            "floor": taken["floor"],
            "holds": taken["value"] > taken["floor"],
        }
        for item in items
        for taken in item["measures"]
        if taken["floor"] is not None
    ]


def figures(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return the measures without a floor, a probe at a time, as a person reads them."""
    return [
        {
            "probe": item["probe"],
            "criterion": item["criterion"],
            "measures": [
                (taken["name"], _told(taken["value"], taken["unit"])) for taken in item["measures"]
            ],
            "observed": item["observed"],
        }
        for item in items
        if item["measures"] and all(taken["floor"] is None for taken in item["measures"])
    ]


def tiles(report: Mapping[str, Any], items: Sequence[Item]) -> list[tuple[str, str, str]]:
    """Return what a reader keeps of a report: a title each, and how it was before and is now.

    Empty before where it was not measured then; what was not measured at all is left out.
    """
    live = [item for item in items if item["means"] == "live"]
    before, now = (sum(gap[side] for gap in report["gaps"]) for side in _SIDES)
    made = [("open places", f"{before}", f"{now}")]
    if live:
        before, now = ([item[side] for item in live].count(False) for side in ("before", "passed"))
        ran = [item for item in live if item["passed"] is not None]
        made.append(("red probes", f"{before}", f"{now} of {len(ran)}{_unasked(live)}"))
    for table in grades(items):
        worst = {side: max(row[side] for row in table["rows"]) for side in ("before", "after")}
        made.append((f"{table['title']}, worst grade", worst["before"], worst["after"]))
    made += [
        (bar["title"], "", f"{bar['value']:g} %, floor {bar['floor']:g} %") for bar in bars(items)
    ]
    made += [
        (name, "", value)
        for item in figures(items)
        for name, value in item["measures"]
        if name in _KEPT
    ]
    return made


def grades(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return a table of grades for each graded gap that was asked: a row a service."""
    by_gap: dict[str, dict[str, list[Item]]] = {gap.slug: {} for gap in GAPS if gap.graded}
    for item in items:
        name, _, service = item["probe"].partition("@")
        slug = name.partition(".")[0]
        if item["means"] == "live" and slug in by_gap:
            by_gap[slug].setdefault(service, []).append(item)
    return [_table(gap, by_gap[gap.slug]) for gap in GAPS if by_gap.get(gap.slug)]


def _table(gap: Gap, found: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
    return {
        "title": gap.graded,
        "rows": [
            _graded(service or "all of it", asked) for service, asked in sorted(found.items())
        ],
        "notes": [
            (item["probe"], item["expected"], item["observed"])
            for asked in found.values()
            for item in asked
            if item["probe"] in gap.noted
        ],
    }


def grade(answers: Sequence[bool]) -> str:
    """Return A where every answer is good, B from 90 %, C from 75 %, D from half, F below."""
    if not answers:
        return "?"
    share = sum(answers) / len(answers)
    return next((letter for least, letter in _GRADES if share >= least), "F")


def _graded(service: str, asked: Sequence[Item]) -> dict[str, Any]:
    before = [item["before"] for item in asked if item["before"] is not None]
    after = [item["passed"] for item in asked if item["passed"] is not None]
    return {
        "service": service,
        "before": grade(before),
        "after": grade(after),
        "told_before": f"{sum(before)} of {len(before)}",
        "told_after": f"{sum(after)} of {len(after)}{_unasked(asked)}",
        "criteria": sorted({item["criterion"] for item in asked}),
    }


def _unasked(asked: Sequence[Item]) -> str:
    """Return how many of the probes did not run, nothing where each did."""
    count = sum(item["passed"] is None for item in asked)
    return f", {count} not run" if count else ""


def _told(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:,.10g} {unit}".strip()
    if value >= _HOUR and not value % _HOUR:
        return f"{value / _HOUR:g} hours"
    return f"{value / _MINUTE:.1f} minutes" if value > 2 * _MINUTE else f"{value:.1f} s"
