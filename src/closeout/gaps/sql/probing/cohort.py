"""Compute the batch cohorts from the source rows alone, so that the figures have a judge."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

DURATIONS = ("batch_duration_days", "batch_age_days")
"""Names that the duration column has in models of this shape."""

COUNTS = frozenset(["batch_id", "animal_count", "mortality_count", "cull_count"])
"""What a batch's daily records hold, beside the day."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """One batch's figures; `survival` is the order's formula, `survived` the share of placed."""

    batch: str
    start: date
    end: date
    days: int
    deaths: int
    culls: int
    survival: float | None
    survived: float | None
    has_gaps: bool
    """Whether a day's mortality or cull count is NULL."""

    @property
    def lost(self) -> int:
        """Return how many animals died or were culled."""
        return self.deaths + self.culls

    @property
    def totals(self) -> Mapping[str, object]:
        """Return what models of this shape may have besides, by the column's name."""
        return {
            "animals_lost": self.lost,
            "total_mortality": self.deaths,
            "total_culls": self.culls,
            "days_in_batch": self.days,
            "batch_start_date": self.start,
            "batch_end_date": self.end,
        }

    @property
    def duration(self) -> int:
        """Return the days between the first and the last recorded one."""
        return (self.end - self.start).days


def rows(text: str) -> tuple[Row, ...]:
    """Return the records of a CSV text with a header."""
    return tuple(csv.DictReader(io.StringIO(text)))


def cohorts(
    batches: Iterable[Row], daily: Iterable[Row], day: str = "record_date"
) -> tuple[Cohort, ...]:
    """Return every recorded batch's figures, a NULL count taken as none.

    `day` is the column of the date. Without batches, every recorded one counts.
    Raises KeyError or ValueError where a column is missing or holds something else.
    """
    placed = {row["batch_id"]: int(row["placed_count"]) for row in batches}
    days: dict[str, list[Row]] = {}
    for (batch, _), row in _latest(daily, day).items():
        days.setdefault(batch, []).append(row)
    return tuple(
        _cohort(batch, days[batch], day, placed.get(batch))
        for batch in sorted(days)
        if batch in placed or not placed
    )


def daily_mortality(batches: Iterable[Row], daily: Iterable[Row]) -> dict[tuple[str, str], float]:
    """Return each tenant and farm's deaths per recorded batch day, a NULL count taken as none."""
    homes = {row["batch_id"]: (row["tenant_id"], row["farm_id"]) for row in batches}
    deaths: dict[tuple[str, str], list[int]] = {}
    for (batch, _), row in _latest(daily).items():
        deaths.setdefault(homes[batch], []).append(_count(row["mortality_count"]))
    return {farm: sum(counts) / len(counts) for farm, counts in deaths.items()}


def differences(
    expected: Iterable[Cohort], found: Iterable[Row], *, with_totals: bool = True
) -> tuple[str, ...]:
    """Return where the model's rows differ from the expected cohorts, one sentence each."""
    by_batch = {row.get("batch_id", ""): row for row in found}
    wanted = tuple(expected)
    known = {item.batch for item in wanted}
    told = [f"{name} is no batch of the source" for name in by_batch.keys() - known]
    for cohort in wanted:
        row = by_batch.get(cohort.batch)
        told += [f"{cohort.batch} is missing"] if row is None else _differences(cohort, row)
        told += _other_totals(cohort, row) if row is not None and with_totals else []
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
        return "how many animals were placed is not told, or none were"
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


def _latest(daily: Iterable[Row], day: str = "record_date") -> dict[tuple[str, str], Row]:
    """Return one record a batch and day: the one recorded last."""
    kept: dict[tuple[str, str], Row] = {}
    for row in sorted(daily, key=lambda row: row.get("recorded_at", "")):
        kept[row["batch_id"], row[day]] = row
    return kept


def _cohort(batch: str, kept: Sequence[Row], day: str, placed: int | None) -> Cohort:
    dates = [date.fromisoformat(row[day]) for row in kept]
    counts = [row[name] for row in kept for name in ("mortality_count", "cull_count")]
    deaths = sum(_count(row["mortality_count"]) for row in kept)
    culls = sum(_count(row["cull_count"]) for row in kept)
    lost = deaths + culls
    stock = sum(_count(row["animal_count"]) for row in kept)
    return Cohort(
        batch=batch,
        start=min(dates),
        end=max(dates),
        days=len(kept),
        deaths=deaths,
        culls=culls,
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
    return told


def _other_totals(cohort: Cohort, row: Row) -> list[str]:
    return [
        f"{cohort.batch} {name} {row[name] or 'NULL'} for {wanted}"
        for name, wanted in cohort.totals.items()
        if name in row and not _same(row[name], wanted)
    ]


def _same(text: str, wanted: object) -> bool:
    if isinstance(wanted, int | float):
        return math.isclose(float(text or 0), wanted, rel_tol=1e-9)
    return text.split(" ", maxsplit=1)[0] == str(wanted)


def _close(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, rel_tol=1e-9)
