"""The arithmetic: linear trends and outliers."""

import numpy as np


def forecast(values: list[float], days: int) -> list[float]:
    """Continue the series along its least-squares line."""
    steps = np.arange(len(values))
    slope, start = np.polyfit(steps, np.array(values, dtype=float), 1)
    ahead = np.arange(len(values), len(values) + days)
    return [round(float(start + slope * step), 4) for step in ahead]


def outliers(values: list[float], sigma: float) -> list[int]:
    """Return the positions farther than `sigma` deviations from the mean."""
    series = np.array(values, dtype=float)
    spread = float(series.std())
    if spread == 0:
        return []
    distance = np.abs(series - series.mean()) / spread
    return [int(place) for place in np.flatnonzero(distance > sigma)]
