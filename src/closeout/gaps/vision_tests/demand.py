"""What the vision suite is held to."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.harness.quality_gate import Demand, Floors, Minimum

VISION_SERVICE = PurePosixPath("edge-layer/edge-vision-inference")

VISION = Demand(
    slug="vision-tests",
    minimums=tuple(
        Minimum(
            probe=f"vision-tests.{name}-service",
            criterion=criterion,
            file=f"test_{name}_service.py",
            module=f"{name}_service",
            tests=10,
        )
        for criterion, name in (("6.3", "inference"), ("6.4", "job"))
    ),
    floors=Floors(statements=60, branches=60),
    coverage_criterion="6.5",
    passing_criterion="M.5",
)
