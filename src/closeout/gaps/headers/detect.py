"""Find FastAPI services whose answers go out without security headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.gaps.headers.fastapi.installed import Installed, installed
from closeout.model import Check, Finding, Tree
from closeout.parsing.fastapi import Service, missing_services, services
from closeout.parsing.python import AppCreation

NAMED = (
    PurePosixPath("edge-layer/edge-vision-inference/app/main.py"),
    PurePosixPath("cloud-layer/cloud-llm-insights-service/app/main.py"),
    PurePosixPath("cloud-layer/cloud-advanced-analytics/app/main.py"),
    PurePosixPath("cloud-layer/cloud-analytics-service/app/main.py"),
    PurePosixPath("cloud-layer/cloud-inference-server/app/main.py"),
)
"""The files that the order lists."""

_YEAR = 31_536_000
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One header that every service has to set, and what its value must be."""

    name: str
    criterion: str
    header: str
    wanted: str

    def holds(self, value: str) -> bool:
        """Tell whether `value` is strong enough."""
        if self.header != "strict-transport-security":
            return value.strip().lower() == self.wanted.lower()
        age = _MAX_AGE.search(value.lower())
        return age is not None and int(age[1]) >= _YEAR and "includesubdomains" in value.lower()


RULES = (
    Rule(name="frame-options", criterion="7.2", header="x-frame-options", wanted="DENY"),
    Rule(name="nosniff", criterion="7.3", header="x-content-type-options", wanted="nosniff"),
    Rule(
        name="transport-security",
        criterion="7.4",
        header="strict-transport-security",
        wanted="max-age of a year or more, with subdomains",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application with what stands around it."""

    path: PurePosixPath
    service: Service
    creation: AppCreation
    installed: Installed


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return the checks of criteria 7.1 to 7.4 over every FastAPI application."""
    found = services(tree)
    unparsable = tuple(item for service in found for item in service.unparsable)
    applications = tuple(item for service in found for item in applications_of(service))
    examined = tuple(dict.fromkeys(item.path for item in applications))
    covered = [_finding(tree, item, "outermost", "7.1", message) for item, message in _bare(found)]
    checks = [
        Check(
            rule="outermost",
            criterion="7.1",
            examined=examined,
            findings=tuple(covered),
            unresolved=(*unparsable, *missing_services(tree, NAMED)),
        )
    ]
    for rule in RULES:
        findings = (
            _finding(tree, item, rule.name, rule.criterion, message)
            for item in applications
            if (message := _shortfall(rule, item))
        )
        checks.append(
            Check(
                rule=rule.name,
                criterion=rule.criterion,
                examined=examined,
                findings=tuple(findings),
                unresolved=unparsable,
            )
        )
    return tuple(checks)


def applications_of(service: Service) -> tuple[Application, ...]:
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


def is_open(application: Application) -> bool:
    """Tell whether any of the gap's rules fails for the application."""
    return not application.installed.outermost or any(
        _shortfall(rule, application) for rule in RULES
    )


def _bare(found: tuple[Service, ...]) -> Iterator[tuple[Application, str]]:
    for service in found:
        for item in applications_of(service):
            if not item.installed.values:
                yield item, "answers without security headers"
            elif not item.installed.outermost:
                yield item, "sets headers inside the error handler: a 500 goes out without them"


def _shortfall(rule: Rule, item: Application) -> str:
    values = item.installed.values.get(rule.header, frozenset())
    if not values:
        return f"never sets {rule.header}"
    weak = sorted(value for value in values if not rule.holds(value))
    return f"sets {rule.header} to {weak[0]!r}, not {rule.wanted}" if weak else ""


def _finding(tree: Tree, item: Application, rule: str, criterion: str, message: str) -> Finding:
    lines = (tree.read(item.path) or b"").splitlines()
    line = item.creation.line
    return Finding(
        gap="headers",
        rule=rule,
        criterion=criterion,
        path=item.path,
        line=line,
        message=f"{item.service.folder.name} {message}",
        excerpt=lines[line - 1].decode(errors="replace").strip(),
        named=item.path in NAMED,
    )
