"""The services that are asked for their security headers, by folder name."""

from __future__ import annotations

from closeout.gaps.headers.detect import NAMED

LISTED = tuple(path.parents[1].name for path in NAMED)
"""The FastAPI services that the order lists."""

SIBLINGS = ("cloud-weather-service", "cloud-feed-planner")
"""FastAPI services with the same defect that it does not list."""

UNLISTED = frozenset(SIBLINGS)
