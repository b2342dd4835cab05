"""The services that the rate limit's probes ask, by folder name."""

from __future__ import annotations

from closeout.gaps.rate_limit.express.routes import NAMED

IDENTITY = NAMED.parents[2].name

GATEWAY = "cloud-api-gateway-bff"
"""What browsers sign in through: it calls the service that knows their accounts."""
