"""What the service makes of ALLOWED_ORIGINS: each probe boots a process of its own with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from closeout.gaps.cors.probing import trusted
from closeout.gaps.cors.probing.origins import (
    EVIL,
    Cases,
    asked,
    get,
    not_shared,
    preflight,
    readable_from,
)
from closeout.harness.boot import Booted, booted, launch_of
from closeout.harness.http import judged, unproven
from closeout.model import Observation, Probe, ProbeContext

_SERVICES = ("cloud-analytics-service", "cloud-llm-insights-service")
"""One with the application at module level, one that builds it in a factory."""

_FIRST = "https://farm.example"
_PRODUCTION = {"APP_ENV": "production", "ENVIRONMENT": "production", "ENV": "production"}
_SECOND = "https://office.example:8443"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A configuration and what it must lead to; `refusable` where not booting is right too.

    `cases` are by the origin that the service trusts without the configuration.
    """

    name: str
    environment: Mapping[str, str]
    expected: str
    cases: Callable[[str], Cases]
    refusable: bool = False
    criterion: str = "1.2"
    removed: tuple[str, ...] = field(default=("ALLOWED_ORIGINS",))


def _closed(*origins: str) -> Cases:
    return [(make(origin), not_shared) for origin in origins for make in (preflight, get)]


_CASES = (
    _Case(
        name="configured-origins",
        environment={"ALLOWED_ORIGINS": f"{_FIRST},{_SECOND}"},
        expected="both configured origins, no longer the default, nobody else",
        cases=lambda own: [
            (get(_FIRST), partial(readable_from, _FIRST)),
            (get(_SECOND), partial(readable_from, _SECOND)),
            *_closed(own, EVIL),
        ],
    ),
    _Case(
        name="blanks-and-slashes",
        environment={"ALLOWED_ORIGINS": f" {_FIRST}/ ,  {_SECOND} ,"},
        expected="both origins are understood, an empty Origin is not one of them",
        cases=lambda _: [
            (get(_FIRST), partial(readable_from, _FIRST)),
            (get(_SECOND), partial(readable_from, _SECOND)),
            *_closed("", EVIL),
        ],
    ),
    _Case(
        name="wildcard-configured",
        environment={"ALLOWED_ORIGINS": "*"},
        expected="closed: it does not boot, or nobody may read it",
        cases=lambda _: _closed(EVIL, "*"),
        refusable=True,
        criterion="1.3",
    ),
    _Case(
        name="wildcard-among-others",
        environment={"ALLOWED_ORIGINS": f"{_FIRST},*"},
        expected="closed: it does not boot, or a stranger may not read it",
        cases=lambda _: _closed(EVIL, "*"),
        refusable=True,
        criterion="1.3",
    ),
    _Case(
        name="null-configured",
        environment={"ALLOWED_ORIGINS": f"null,{_FIRST}"},
        expected="refused: it does not boot, or a sandboxed page may not read it",
        cases=lambda _: _closed("null"),
        refusable=True,
    ),
    _Case(
        name="empty-configured",
        environment={"ALLOWED_ORIGINS": ""},
        expected="closed: no origin, not even an empty one",
        cases=lambda _: _closed("", EVIL),
        refusable=True,
    ),
    _Case(
        name="wildcard-in-production",
        environment={**_PRODUCTION, "ALLOWED_ORIGINS": "*"},
        expected="refused: it does not boot, or nobody may read it",
        cases=lambda _: _closed(EVIL, "*", ""),
        refusable=True,
        criterion="1.3",
    ),
    _Case(
        name="configured-in-production",
        environment={**_PRODUCTION, "ALLOWED_ORIGINS": _FIRST},
        expected="the configured origin and nobody else, no localhost",
        cases=lambda own: [(get(_FIRST), partial(readable_from, _FIRST)), *_closed(own, EVIL)],
    ),
    _Case(
        name="unset-in-production",
        environment=_PRODUCTION,
        expected="it does not boot on a localhost default, or trusts no localhost",
        cases=lambda own: _closed(own, EVIL),
        refusable=True,
    ),
)


def _run(service: str, case: _Case, context: ProbeContext) -> Observation:
    shown = " ".join(f"{name}={value!r}" for name, value in case.environment.items())
    cases = case.cases(trusted.by(service, context))
    command = f"{shown} start {service}; {cases[0][0].command(service)}"
    launch = launch_of(context, service).without(*case.removed)
    launch = launch.with_environment(case.environment)
    with booted(launch, context.scratch / "service.log") as service_up:
        if not isinstance(service_up, Booted):
            return _refused_to_boot(service_up.reason, case, command)
        seen = asked(service_up.url, cases, case.expected, command)
        return trusted.configurable(service, context, service_up.url, cases, seen)


def _refused_to_boot(reason: str, case: _Case, command: str) -> Observation:
    # A process that ends for any other reason must not count as a deliberate refusal.
    if case.refusable and "ALLOWED_ORIGINS" in reason:
        return judged(expected=case.expected, command=command, faults=[], seen=reason)
    if case.refusable:
        return unproven(expected=case.expected, command=command, because=reason)
    return judged(expected=case.expected, command=command, faults=["it does not boot"], seen=reason)


CONFIGURATION_PROBES = tuple(
    Probe.of(service, f"cors.{case.name}@{service}", case.criterion, partial(_run, service, case))
    for service in _SERVICES
    for case in _CASES
)
