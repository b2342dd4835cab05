"""What a service makes of ALLOWED_ORIGINS: each probe boots a process of its own with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from closeout.gaps.cors.probing import trusted
from closeout.gaps.cors.probing.origins import (
    EVIL,
    Cases,
    Door,
    asked,
    get,
    readable_from,
)
from closeout.harness.boot import Booted, booted, launch_of
from closeout.harness.http import judged, unproven
from closeout.model import Observation, Probe, ProbeContext

_SERVICES = ("cloud-analytics-service", "cloud-llm-insights-service")
"""One with the application at module level, one that builds it in a factory."""

FIRST = "https://farm.example"
_PRODUCTION = {"APP_ENV": "production", "ENVIRONMENT": "production", "ENV": "production"}
SECOND = "https://office.example:8443"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Variables and what they must lead to; `refusable` where not booting is right too.

    `cases` are by the origin that the service trusts without the configuration.
    """

    name: str
    environment: Mapping[str, str]
    expected: str
    cases: Callable[[str], Cases]
    refusable: bool = False
    criterion: str = "1.2"
    removed: tuple[str, ...] = ("ALLOWED_ORIGINS",)


_closed = Door().closed


def _readable(*origins: str) -> Cases:
    return [(get(origin), partial(readable_from, origin)) for origin in origins]


_CONFIGURATIONS = (
    Configuration(
        name="configured-origins",
        environment={"ALLOWED_ORIGINS": f"{FIRST},{SECOND}"},
        expected="both configured origins, no longer the default, nobody else",
        cases=lambda own: [*_readable(FIRST, SECOND), *_closed(own, EVIL)],
    ),
    Configuration(
        name="blanks-and-slashes",
        environment={"ALLOWED_ORIGINS": f" {FIRST}/ ,  {SECOND} ,"},
        expected="both origins are understood, an empty Origin is not one of them",
        cases=lambda _: [*_readable(FIRST, SECOND), *_closed("", EVIL)],
    ),
    Configuration(
        name="wildcard-configured",
        environment={"ALLOWED_ORIGINS": "*"},
        expected="closed: it does not boot, or nobody may read it",
        cases=lambda _: _closed(EVIL, "*"),
        refusable=True,
        criterion="1.3",
    ),
    Configuration(
        name="wildcard-among-others",
        environment={"ALLOWED_ORIGINS": f"{FIRST},*"},
        expected="closed: it does not boot, or a stranger may not read it",
        cases=lambda _: _closed(EVIL, "*"),
        refusable=True,
        criterion="1.3",
    ),
    Configuration(
        name="null-configured",
        environment={"ALLOWED_ORIGINS": f"null,{FIRST}"},
        expected="refused: it does not boot, or a sandboxed page may not read it",
        cases=lambda _: _closed("null"),
        refusable=True,
    ),
    Configuration(
        name="empty-configured",
        environment={"ALLOWED_ORIGINS": ""},
        expected="closed: no origin, not even an empty one",
        cases=lambda _: _closed("", EVIL),
        refusable=True,
    ),
    Configuration(
        name="wildcard-in-production",
        environment={**_PRODUCTION, "ALLOWED_ORIGINS": "*"},
        expected="refused: it does not boot, or nobody may read it",
        cases=lambda _: _closed(EVIL, "*", ""),
        refusable=True,
        criterion="1.3",
    ),
    Configuration(
        name="configured-in-production",
        environment={**_PRODUCTION, "ALLOWED_ORIGINS": FIRST},
        expected="the configured origin and nobody else, no localhost",
        cases=lambda own: [*_readable(FIRST), *_closed(own, EVIL)],
    ),
    Configuration(
        name="unset-in-production",
        environment=_PRODUCTION,
        expected="it does not boot on a localhost default, or trusts no localhost",
        cases=lambda own: _closed(own, EVIL),
        refusable=True,
    ),
)


def configured(
    service: str,
    case: Configuration,
    refusal: Callable[[str, Path], str],
    context: ProbeContext,
) -> Observation:
    """Start `service` with the configuration and ask it, or rule on that it does not start.

    `refusal` is what its reason and its log say of the origins, nothing where it ends for another
    reason: that must not count as a deliberate refusal.
    """
    shown = " ".join(f"{name}={value!r}" for name, value in case.environment.items())
    cases = case.cases(trusted.by(service, context))
    command = f"{shown} start {service}; {cases[0][0].command(service)}"
    launch = launch_of(context, service).without(*case.removed)
    log = context.scratch / "service.log"
    with booted(launch.with_environment(case.environment), log) as service_up:
        if isinstance(service_up, Booted):
            seen = asked(service_up.url, cases, case.expected, command)
            return trusted.configurable(service, context, service_up.url, cases, seen)
    reason = service_up.reason
    said = refusal(reason, log) if case.refusable else ""
    if case.refusable and not said:
        return unproven(expected=case.expected, command=command, because=reason)
    faults = [] if said else ["it does not boot"]
    return judged(expected=case.expected, command=command, faults=faults, seen=said or reason)


def _refusal(reason: str, _: Path) -> str:
    return reason if "ALLOWED_ORIGINS" in reason else ""


CONFIGURATION_PROBES = tuple(
    Probe.of(
        service,
        f"cors.{case.name}@{service}",
        case.criterion,
        partial(configured, service, case, _refusal),
    )
    for service in _SERVICES
    for case in _CONFIGURATIONS
)
