"""What the security headers cost is measured beside a bare service and beside the order's way."""

import os
from pathlib import Path

import pytest

from tools.bench import headers
from tools.bench.headers import Cost


@pytest.mark.live
@pytest.mark.needs("services-env")
def test_our_headers_cost_less_than_the_orders(tmp_path: Path) -> None:
    """The order's middleware starts a task for every request; ours does not."""
    costs = headers.measure(Path(os.environ["CLOSEOUT_LIVE_PYTHON"]), tmp_path, rounds=1)
    assert list(costs) == ["bare", "order", "ours"]
    assert costs["ours"].cpu_microseconds < costs["order"].cpu_microseconds
    assert all(cost.per_second > 0 for cost in costs.values())


@pytest.mark.parametrize(("ours", "told"), [(115.0, "within 1.15"), (116.0, "ABOVE 1.15")])
def test_table_says_whether_ours_stays_within_its_share(ours: float, told: str) -> None:
    """The ratio to the bare service is the figure that counts."""
    costs = {
        "bare": Cost(per_second=9000, cpu_microseconds=100),
        "order": Cost(per_second=4000, cpu_microseconds=240),
        "ours": Cost(per_second=8000, cpu_microseconds=ours),
    }
    assert told in headers.table(costs)
    assert "2.40 of bare" in headers.table(costs)
