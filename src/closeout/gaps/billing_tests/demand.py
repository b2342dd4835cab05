"""What the billing suite is held to."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.harness.quality_gate import Demand, Floors, Minimum

BILLING_SERVICE = PurePosixPath("cloud-layer/cloud-billing-service")

BILLING = Demand(
    slug="billing-tests",
    minimums=tuple(
        Minimum(
            probe=f"billing-tests.{name}-service",
            criterion=criterion,
            file=f"{module}.test.ts",
            module=f"services/{module}",
            tests=tests,
        )
        for criterion, name, module, tests in (
            ("5.1", "invoice", "invoiceService", 10),
            ("5.2", "subscription", "subscriptionService", 10),
            ("5.3", "payment", "paymentService", 5),
            ("5.4", "usage-metering", "usageMeteringService", 5),
        )
    ),
    floors=Floors(statements=70, branches=70),
    coverage_criterion="5.5",
    passing_criterion="M.4",
)
