"""Find FastAPI services whose answers go out without security headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.gaps.headers.fastapi.installed import InstalledHeaders, installed
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import AppCreation

NAMED = (
    PurePosixPath("edge-layer/edge-vision-inference/app/main.py"),
    PurePosixPath("cloud-layer/cloud-llm-insights-service/app/main.py"),
    PurePosixPath("cloud-layer/cloud-advanced-analytics/app/main.py"),
    PurePosixPath("cloud-layer/cloud-analytics-service/app/main.py"),
    PurePosixPath("cloud-layer/cloud-inference-server/app/main.py"),
)
"""The files that the order lists."""

HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age of a year or more, with subdomains",
}
"""The headers that every service has to set, and what their values must be."""

_YEAR = 31_536_000
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application with what stands around it."""

    path: PurePosixPath
    service: FastApiService
    creation: AppCreation
    installed: InstalledHeaders


def applications_of(service: FastApiService) -> tuple[Application, ...]:
    """Return the service's applications, each with the layers that set headers on it."""
    return tuple(
        Application(
            path=path,
            service=service,
            creation=creation,
            installed=installed(service, path, creation),
        )
        for path, creation in service.apps
    )


def is_open(item: Application) -> bool:
    """Tell whether any of the gap's rules fails for the application."""
    return bool(misplacement(item)) or any(shortfall(header, item) for header in HEADERS)


def misplacement(item: Application) -> str:
    """Return how the headers stand in the wrong place, empty where they are outermost."""
    if not item.installed.values:
        return "answers without security headers"
    if item.installed.outermost:
        return ""
    return "sets headers inside the error handler: a 500 goes out without them"


def shortfall(header: str, item: Application) -> str:
    """Return how the application falls short of the header, empty where it does not."""
    values = item.installed.values.get(header, frozenset())
    if not values:
        return f"never sets {header}"
    weak = sorted(value for value in values if not _holds(header, value))
    return f"sets {header} to {weak[0]!r}, not {HEADERS[header]}" if weak else ""


def _holds(header: str, value: str) -> bool:
    """Tell whether `value` is strong enough."""
    if header != "strict-transport-security":
        return value.strip().lower() == HEADERS[header].lower()
    age = _MAX_AGE.search(value.lower())
    return age is not None and int(age[1]) >= _YEAR and "includesubdomains" in value.lower()
