"""The services that the rate limit's probes ask, by folder name, and where they are asked."""

from __future__ import annotations

from closeout.gaps.rate_limit.express.routes import NAMED

IDENTITY = NAMED.parents[2].name

GATEWAY = "cloud-api-gateway-bff"
"""What browsers sign in through: it calls the service that knows their accounts."""

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
