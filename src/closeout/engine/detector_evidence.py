"""What the detectors saw, as evidence."""

from __future__ import annotations

from datetime import datetime

from closeout.engine.rules import Detection
from closeout.model import (
    Check,
    Means,
)
from closeout.model.verdicts import Evidence

DETECTOR = "detect."
"""Begins the name of what a detector saw: it is looked at anew for every report."""


_SHOWN = 20
"""Places that a detector's answer names; the report's findings hold all of them."""


def static_evidence(
    before: Detection, after: Detection, tree_digest: str, at: datetime
) -> tuple[Evidence, ...]:
    """Return what the detectors saw as evidence, one item a check.

    `before` is the detection before the fix; pass `after` twice where there was none.
    """
    earlier = {
        (slug, check.rule, check.criterion): _check_passed(check)
        for slug, checks in before.items()
        for check in checks
    }
    return tuple(
        Evidence(
            probe=f"{DETECTOR}{slug}.{check.rule}",
            criterion=check.criterion,
            passed=_check_passed(check),
            before=None if before is after else earlier.get((slug, check.rule, check.criterion)),
            expected="no place is open, and at least one was examined",
            observed=_observed(check),
            command=f"invoke detect.all --only {slug}",
            tree_digest=tree_digest,
            at=at,
            seconds=0.0,
            means=Means.STATIC,
        )
        for slug, checks in after.items()
        for check in checks
    )


def _check_passed(check: Check) -> bool | None:
    if check.held:
        return False
    if check.unresolved or not check.examined:
        return None
    return True


def _observed(check: Check) -> str:
    held, beside = check.held, len(check.findings) - len(check.held)
    places = ", ".join(f"{item.path}:{item.line}" for item in held[:_SHOWN])
    places += f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    refused = ", ".join(f"{item.path} {item.reason.value}" for item in check.unresolved)
    parts = [
        f"examined {len(check.examined)}",
        f"open {len(held)}" + (f" ({places})" if places else ""),
        *([f"beside the order {beside}"] if beside else []),
        *([f"not judged: {refused}"] if refused else []),
    ]
    return "; ".join(parts)
