"""Where we depart from the order's billing tests."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-billing-tests-1",
        claim="Running the suite with coverage shows whether it stands above 70 percent.",
        finding=(
            "The command carries no threshold and ends with 0 at any figure, also at 0 percent; "
            "with `--passWithNoTests` it ends with 0 without a single test."
        ),
        decision=(
            "The gate forces the flags, re-reads jest's JSON, compares whole counts of statements "
            "and branches with the floor, wants every source file on the disk measured, and "
            "counts tests that passed and asserted. The suite's configuration carries floors too."
        ),
    ),
    Deviation(
        id="D-billing-tests-2",
        claim="Two of the sample tests use an array of items.",
        finding="The array is declared inside another test: both end in a ReferenceError.",
        decision="The items are declared once for the file; every sample assertion is kept.",
    ),
    Deviation(
        id="D-billing-tests-3",
        claim="The annual total is exactly the product 249 * 12 * 0.9.",
        finding=(
            "In binary floating point that product is 2689.2000000000003, an amount that no "
            "currency has; a service that counts in integer minor units answers 2689.2."
        ),
        decision=(
            "The suite asserts 2689.2 exactly, and the product to nine decimal places. The "
            "service keeps integers."
        ),
    ),
    Deviation(
        id="D-billing-tests-4",
        claim="Sample tests share one service and one tenant, in a fixed sequence.",
        finding=(
            "Under a random order a cancellation may come before the upgrade, and one key is used "
            "by two tests."
        ),
        decision=(
            "Each test has its own store and clock; the shared instances are tested with tenants "
            "and keys of their own. An upgrade of a cancelled subscription takes it up again."
        ),
    ),
)
