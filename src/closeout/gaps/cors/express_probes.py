"""Questions a hostile web page puts to the Express service that signs users in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from closeout.gaps.cors.origins import ALLOWED, EVIL, LOOKALIKES, get, not_shared, preflight
from closeout.launchers.boot import Booted, booted, launch_of
from closeout.model import Observation, Probe, ProbeContext
from closeout.probes.http import (
    Answer,
    Judge,
    Request,
    exchanges,
    judged,
    send,
    summary,
    unproven,
)
from closeout.probes.services import IDENTITY

_COOKIE = ("Cookie", "session=1")
_HEALTH = "/api/health"
_LOGIN = "/api/v1/auth/login"
_NOWHERE = "/api/nowhere"
_FIRST = "https://farm.example"
_SECOND = "https://office.example:8443"
_FORBIDDEN = "no Access-Control-Allow-Origin"
_HEADERS = "Access-Control-Request-Headers"

_ask = partial(preflight, path=_LOGIN)
_read = partial(get, path=_HEALTH)

Cases = Sequence[tuple[Request, Judge]]


def _shared_with(origin: str, answer: Answer) -> Sequence[str]:
    """Fault an answer that `origin` cannot read, or that a cache would hand to another one."""
    faults = []
    if answer.value("access-control-allow-origin") != origin:
        faults.append(f"allowed origin is {answer.value('access-control-allow-origin')!r}")
    if "origin" not in (answer.value("vary") or "").lower():
        faults.append(f"Vary is {answer.value('vary')!r}")
    return faults


def _method_allowed(answer: Answer) -> Sequence[str]:
    methods = answer.value("access-control-allow-methods") or ""
    return [] if "POST" in methods and "TRACE" not in methods else [f"allowed: {methods}"]


def _headers_allowed(answer: Answer) -> Sequence[str]:
    headers = (answer.value("access-control-allow-headers") or "").lower()
    return [] if "authorization" in headers and "content-type" in headers else [headers]


def _header_refused(answer: Answer) -> Sequence[str]:
    headers = (answer.value("access-control-allow-headers") or "").lower()
    return [f"allowed: {headers}"] if "x-arbitrary" in headers or "*" in headers else []


def _works(answer: Answer) -> Sequence[str]:
    shared = not_shared(answer)
    return shared if answer.status == 200 else [f"status {answer.status}", *shared]  # noqa: PLR2004 - HTTP's own number


def _closed(*origins: str) -> Cases:
    return [(make(origin), not_shared) for origin in origins for make in (_ask, _read)]


def _open(*origins: str) -> Cases:
    return [
        (make(origin), partial(_shared_with, origin))
        for origin in origins
        for make in (_ask, _read)
    ]


_QUESTIONS: tuple[tuple[str, str, Cases], ...] = (
    ("evil-origin-preflight", _FORBIDDEN, [(_ask(EVIL), not_shared)]),
    ("evil-origin-get", _FORBIDDEN, [(_read(EVIL), not_shared)]),
    ("evil-origin-get-with-cookie", _FORBIDDEN, [(_read(EVIL, _COOKIE), not_shared)]),
    ("null-origin", _FORBIDDEN, _closed("null")),
    ("lookalike-origins", f"{_FORBIDDEN} for any of {len(LOOKALIKES)}", _closed(*LOOKALIKES)),
    (
        "evil-origin-on-errors",
        f"{_FORBIDDEN} on 401 and 404",
        [
            (get(EVIL, path="/api/v1/auth/me"), not_shared),
            (get(EVIL, path=_NOWHERE), not_shared),
        ],
    ),
    ("allowed-origin", "that exact origin and Vary: Origin", _open(ALLOWED)),
    (
        "allowed-origin-reads-refusals",
        "401 and 404 carry the allowed origin",
        [
            (get(ALLOWED, path="/api/v1/auth/me"), partial(_shared_with, ALLOWED)),
            (get(ALLOWED, path=_NOWHERE), partial(_shared_with, ALLOWED)),
        ],
    ),
    ("own-methods", "POST and no TRACE", [(_ask(ALLOWED), _method_allowed)]),
    (
        "named-headers-allowed",
        "authorization and content-type may be sent",
        [(_ask(ALLOWED, (_HEADERS, "authorization,content-type")), _headers_allowed)],
    ),
    (
        "arbitrary-header-refused",
        "a header that the service does not read is not allowed",
        [(_ask(ALLOWED, (_HEADERS, "x-arbitrary")), _header_refused)],
    ),
    ("no-origin", "works, without `*`", [(Request(path=_HEALTH), _works)]),
)

_PRODUCTION = {"NODE_ENV": "production"}
_SETTINGS: tuple[tuple[str, Mapping[str, str], Cases, bool], ...] = (
    (
        "configured-origins",
        {"ALLOWED_ORIGINS": f" {_FIRST}/ , HTTPS://Office.Example:8443 ,"},
        [*_open(_FIRST, _SECOND), *_closed(ALLOWED, EVIL, "")],
        False,
    ),
    (
        "configured-in-production",
        {**_PRODUCTION, "ALLOWED_ORIGINS": _FIRST},
        [*_open(_FIRST), *_closed(ALLOWED, EVIL)],
        False,
    ),
    ("wildcard-configured", {"ALLOWED_ORIGINS": "*"}, _closed(EVIL, "*"), True),
    ("null-configured", {"ALLOWED_ORIGINS": f"null,{_FIRST}"}, _closed("null"), True),
    ("empty-configured", {"ALLOWED_ORIGINS": ""}, _closed("", ALLOWED, EVIL), True),
    (
        "wildcard-in-production",
        {**_PRODUCTION, "ALLOWED_ORIGINS": f"{_FIRST},*"},
        _closed(EVIL, "*", ""),
        True,
    ),
    ("unset-in-production", _PRODUCTION, _closed(ALLOWED, EVIL), True),
)
"""Name, environment, questions, and whether not to boot is right too."""


def _configured(
    environment: Mapping[str, str], cases: Cases, *, refusable: bool
) -> Callable[[ProbeContext], Observation]:
    expected = "only configured origins, canonical; else closed, or refused at the start"
    shown = " ".join(f"{name}={value!r}" for name, value in environment.items())

    def run(context: ProbeContext) -> Observation:
        command = f"{shown} start {IDENTITY}; {cases[0][0].command(IDENTITY)}"
        launch = launch_of(context, IDENTITY).without("ALLOWED_ORIGINS", "APP_ENV")
        log = context.scratch / "service.log"
        with booted(launch.with_environment(environment), log) as service_up:
            if isinstance(service_up, Booted):
                return _judge(service_up, cases, expected, command)
        # A process that ends for any other reason must not count as a deliberate refusal.
        said = [line for line in log.read_text(errors="replace").splitlines() if "ORIGINS" in line]
        if refusable and said:
            seen = f"it does not start: {said[-1].strip()}"
            return judged(expected=expected, command=command, faults=[], seen=seen)
        if refusable:
            return unproven(expected=expected, command=command, because=service_up.reason)
        faults = ["it does not boot"]
        return judged(expected=expected, command=command, faults=faults, seen=service_up.reason)

    return run


def _judge(service_up: Booted, cases: Cases, expected: str, command: str) -> Observation:
    faults: list[str] = []
    seen = ""
    for request, judge in cases:
        answer = send(service_up.url, request)
        faults += [f"{request.label}: {fault}" for fault in judge(answer)]
        seen = seen or summary(answer)
    return judged(expected=expected, command=command, faults=faults, seen=seen)


def _probe(name: str, run: Callable[[ProbeContext], Observation]) -> Probe:
    return Probe(
        id=f"cors.{name}@{IDENTITY}",
        criterion="1.3",
        needs=(IDENTITY,),
        run=run,
        subject=IDENTITY,
    )


EXPRESS_PROBES = (
    *(_probe(name, exchanges(IDENTITY, expected, cases)) for name, expected, cases in _QUESTIONS),
    *(
        _probe(name, _configured(environment, cases, refusable=refusable))
        for name, environment, cases, refusable in _SETTINGS
    ),
)
