"""The services that more than one gap puts its probes to, by folder name."""

from __future__ import annotations

NAMED = (
    "edge-vision-inference",
    "cloud-llm-insights-service",
    "cloud-advanced-analytics",
    "cloud-analytics-service",
    "cloud-inference-server",
)
"""The FastAPI services that the order lists."""

SIBLINGS = ("cloud-weather-service", "cloud-feed-planner")
"""FastAPI services with the same defect that it does not list."""

IDENTITY = "cloud-identity-access"
TENANT_REGISTRY = "cloud-tenant-registry"
INGESTION = "cloud-ingestion"
"""An Express service with the same defect that the order does not list."""

UNLISTED = frozenset([*SIBLINGS, INGESTION])
"""Services that the order does not list: a monorepo without one lacks nothing."""
