"""Daily key figures, kept in memory."""

from collections import defaultdict
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

Metric = Literal["feed_intake", "weight", "mortality", "temperature"]


class Reading(BaseModel):
    """One barn's figure of one day."""

    tenant_id: str = Field(min_length=1)
    barn_id: str = Field(min_length=1)
    day: date
    metric: Metric
    value: float


class KpiStore:
    """Readings by tenant."""

    def __init__(self) -> None:
        self._readings: dict[str, list[Reading]] = defaultdict(list)

    def add(self, reading: Reading) -> int:
        """Keep a reading; return how many the tenant has."""
        self._readings[reading.tenant_id].append(reading)
        return len(self._readings[reading.tenant_id])

    def daily(self, tenant_id: str, metric: str) -> dict[str, float]:
        """Return the day's mean of a metric over a tenant's barns."""
        days: dict[str, list[float]] = defaultdict(list)
        for reading in self._readings[tenant_id]:
            if reading.metric == metric:
                days[reading.day.isoformat()].append(reading.value)
        return {day: round(sum(values) / len(values), 4) for day, values in sorted(days.items())}

    def clear(self, tenant_id: str) -> int:
        """Forget a tenant's readings; return how many there were."""
        return len(self._readings.pop(tenant_id, []))
