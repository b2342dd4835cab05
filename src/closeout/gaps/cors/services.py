"""The services that the CORS probes ask, by folder name."""

from __future__ import annotations

from closeout.gaps.cors.detect import NAMED

LISTED = tuple(path.parents[1].name for path in NAMED)
"""The FastAPI services that the order lists."""

SIBLINGS = ("cloud-weather-service", "cloud-feed-planner")
"""FastAPI services with the same defect that it does not list."""

IDENTITY = "cloud-identity-access"
INGESTION = "cloud-ingestion"
"""An Express service with the same defect that the order does not list."""

UNLISTED = frozenset([*SIBLINGS, INGESTION])
