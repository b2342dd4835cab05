"""The services that the factory secret's probes ask, by folder name."""

from __future__ import annotations

from closeout.gaps.factory_secret.typescript.places import NAMED

TENANT_REGISTRY = NAMED.parents[2].name

IDENTITY = "cloud-identity-access"
"""It reads secrets of its own in the same way."""
