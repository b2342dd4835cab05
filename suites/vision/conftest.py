"""Fixtures that all tests of the vision service share."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import numpy as np
import pytest

MARKERS = {
    "unit": "one unit, nothing outside the process",
    "integration": "several units together, over the HTTP interface",
    "slow": "takes more than a second",
}


def pytest_configure(config):
    """Register the suite's markers where the service's own configuration does not."""
    registered = {line.partition(":")[0] for line in config.getini("markers")}
    for name, meaning in MARKERS.items():
        if name not in registered:
            config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.fixture
def mock_model():
    """Return a model that is sure of one pig; a call it does not have fails."""
    model = Mock(spec_set=["predict"])
    model.predict.return_value = [{"label": "pig", "confidence": 0.95}]
    return model


@pytest.fixture
def sample_image():
    """Return a black frame of 640 by 480 pixels in colour."""
    return np.zeros((640, 480, 3), dtype=np.uint8)


class SteppingClock:
    """A clock that moves one second whenever it is read."""

    def __init__(self):
        self.now = datetime(2025, 1, 30, 9, 0, tzinfo=UTC)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock():
    """Return a clock that never shows the same time twice."""
    return SteppingClock()
