"""Compute the batch cohorts from the seeds alone, so that the model's figures have a judge."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

DURATIONS = ("batch_duration_days", "batch_age_days")
"""Names that the duration column has in models of this shape."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One batch's figures; `survival` is the order's formula, `survived` the share of placed."""

    batch: str
    start: date
    end: date
    lost: int
    survival: float | None
    survived: float | None
    has_gaps: bool
    """Whether a day's mortality or cull count is NULL."""

    @property
    def duration(self) -> int:
        """Return the days between the first and the last recorded one."""
        return (self.end - self.start).days


def rows(text: str) -> tuple[Row, ...]:
    """Return the records of a CSV text with a header."""
    return tuple(csv.DictReader(io.StringIO(text)))


def cohorts(batches: Iterable[Row], daily: Iterable[Row]) -> tuple[Cohort, ...]:
    """Return every recorded batch's figures, a NULL count taken as none.

    Raises KeyError or ValueError where a column is missing or holds something else.
    """
    placed = {row["batch_id"]: int(row["placed_count"]) for row in batches}
    latest = _latest(daily)
    return tuple(
        _cohort(batch, [row for (owner, _), row in latest.items() if owner == batch], count)
        for batch, count in sorted(placed.items())
        if any(owner == batch for owner, _ in latest)
    )


def daily_mortality(batches: Iterable[Row], daily: Iterable[Row]) -> dict[tuple[str, str], float]:
    """Return each tenant and farm's deaths per recorded batch day, a NULL count taken as none."""
    homes = {row["batch_id"]: (row["tenant_id"], row["farm_id"]) for row in batches}
    deaths: dict[tuple[str, str], list[int]] = {}
    for (batch, _), row in _latest(daily).items():
        deaths.setdefault(homes[batch], []).append(_count(row["mortality_count"]))
    return {farm: sum(counts) / len(counts) for farm, counts in deaths.items()}


def differences(expected: Iterable[Cohort], found: Iterable[Row]) -> tuple[str, ...]:
    """Return where the model's rows differ from the expected cohorts, one sentence each."""
    by_batch = {row.get("batch_id", ""): row for row in found}
    wanted = tuple(expected)
    told = [f"{name} is no batch of the seeds" for name in by_batch.keys() - _names(wanted)]
    for cohort in wanted:
        row = by_batch.get(cohort.batch)
        told += [f"{cohort.batch} is missing"] if row is None else _differences(cohort, row)
    return tuple(told)


def farm_differences(
    expected: Mapping[tuple[str, str], float], found: Iterable[Row]
) -> tuple[str, ...]:
    """Return where farm rows lost a fraction or hold a call's text instead of a time."""
    by_farm = {(row.get("tenant_id", ""), row.get("farm_id", "")): row for row in found}
    told = []
    for farm, average in expected.items():
        row = by_farm.get(farm, {})
        text = row.get("avg_daily_mortality") or ""
        if not _close(float(text) if text else None, average):
            told.append(f"{'/'.join(farm)} avg_daily_mortality {text} for {average:.4f}")
        moment = row.get("computed_at", "")
        if "(" in moment:
            told.append(f"{'/'.join(farm)} computed_at holds {moment!r}")
    return tuple(told)


def explanation(expected: Iterable[Cohort]) -> str:
    """Return what the order's denominator computes for the batch where it misleads most."""
    judged = [item for item in expected if item.survival is not None and item.survived is not None]
    if not judged:
        return "no batch with animals"
    worst = max(judged, key=lambda item: (item.survival or 0.0) - (item.survived or 0.0))
    return (
        f"{worst.batch}: the order's formula divides {worst.lost} lost by the stock summed over "
        f"all days and gives {worst.survival:.4f}; of the animals placed, {worst.survived:.4f} "
        "survived"
    )


def scenarios(expected: Iterable[Cohort]) -> str:
    """Return how many batches show which difficulty."""
    wanted = tuple(expected)
    one_day = sum(item.duration == 0 for item in wanted)
    gaps = sum(item.has_gaps for item in wanted)
    empty = sum(item.survival is None for item in wanted)
    return (
        f"{len(wanted)} batches, {one_day} of one day, {gaps} with NULL counts, "
        f"{empty} without animals"
    )


def _names(expected: Iterable[Cohort]) -> set[str]:
    return {item.batch for item in expected}


def _latest(daily: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """Return one record a batch and day: the one recorded last."""
    kept: dict[tuple[str, str], Row] = {}
    for row in sorted(daily, key=lambda row: row["recorded_at"]):
        kept[row["batch_id"], row["record_date"]] = row
    return kept


def _cohort(batch: str, days: Iterable[Row], placed: int) -> Cohort:
    kept = tuple(days)
    dates = [date.fromisoformat(row["record_date"]) for row in kept]
    counts = [row[name] for row in kept for name in ("mortality_count", "cull_count")]
    lost = sum(map(_count, counts))
    stock = sum(_count(row["animal_count"]) for row in kept)
    return Cohort(
        batch=batch,
        start=min(dates),
        end=max(dates),
        lost=lost,
        survival=1.0 - lost / stock if stock else None,
        survived=1.0 - lost / placed if placed else None,
        has_gaps="" in counts,
    )


def _count(text: str) -> int:
    return int(text or 0)


def _differences(cohort: Cohort, row: Row) -> list[str]:
    told = []
    name = next((name for name in DURATIONS if name in row), DURATIONS[0])
    if row.get(name) != str(cohort.duration):
        told.append(f"{cohort.batch} {name} {row.get(name)} for {cohort.duration}")
    found = float(row["survival_rate"]) if row.get("survival_rate") else None
    if not _close(found, cohort.survival):
        told.append(f"{cohort.batch} survival_rate {found} for {cohort.survival}")
    if "animals_lost" in row and row["animals_lost"] != str(cohort.lost):
        told.append(f"{cohort.batch} animals_lost {row['animals_lost']} for {cohort.lost}")
    return told


def _close(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, rel_tol=1e-9)
