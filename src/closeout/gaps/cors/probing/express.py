"""Questions a hostile web page puts to the Express service that signs users in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from closeout.formats import npm
from closeout.gaps.cors.detect import IDENTITY, INGESTION
from closeout.gaps.cors.express.detect import look
from closeout.gaps.cors.probing import trusted
from closeout.gaps.cors.probing.configuration import FIRST, SECOND, Configuration, configured
from closeout.gaps.cors.probing.origins import (
    EVIL,
    FORBIDDEN,
    Cases,
    Door,
    Question,
    asked,
    get,
    header_refused,
    lookalikes,
    not_shared,
    preflight,
    shared_with,
)
from closeout.harness import in_production
from closeout.harness.http import Answer, Request, exchanges
from closeout.model import Observation, Probe, ProbeContext, Service, Tree

_NOWHERE = "/api/nowhere"
_HEADERS = "Access-Control-Request-Headers"


_DOORS = (
    Door(
        service=IDENTITY,
        read="/api/health",
        write="/api/v1/auth/login",
        refused="/api/v1/auth/me",
    ),
    Door(
        service=INGESTION,
        read="/api/health",
        write="/api/v1/readings",
        refused="/api/v1/readings",
    ),
)


def _method_allowed(answer: Answer) -> Sequence[str]:
    methods = answer.value("access-control-allow-methods") or ""
    return [] if "POST" in methods and "TRACE" not in methods else [f"allowed: {methods}"]


def _headers_allowed(answer: Answer) -> Sequence[str]:
    headers = (answer.value("access-control-allow-headers") or "").lower()
    return [] if "authorization" in headers and "content-type" in headers else [headers]


def _works(answer: Answer) -> Sequence[str]:
    shared = not_shared(answer)
    return shared if answer.status == 200 else [f"status {answer.status}", *shared]  # noqa: PLR2004 - HTTP's own number


def _open(door: Door, *origins: str) -> Cases:
    return [case for each in origins for case in door.both(each, partial(shared_with, each))]


def _questions(door: Door, allowed: str) -> tuple[Question, ...]:
    """Return what is asked at a door; `allowed` is the origin that its service trusts."""
    alike = lookalikes(allowed)
    ask = partial(preflight, path=door.write)
    return (
        *door.evil(),
        (
            "lookalike-origins",
            f"{FORBIDDEN} for any of {len(alike)}",
            door.closed(*alike),
        ),
        (
            "evil-origin-on-errors",
            f"{FORBIDDEN} on refusals",
            [
                (get(EVIL, path=door.refused), not_shared),
                (get(EVIL, path=_NOWHERE), not_shared),
            ],
        ),
        ("allowed-origin", "that exact origin and Vary: Origin", _open(door, allowed)),
        (
            "allowed-origin-reads-refusals",
            "refusals carry the allowed origin",
            [
                (get(allowed, path=door.refused), partial(shared_with, allowed)),
                (get(allowed, path=_NOWHERE), partial(shared_with, allowed)),
            ],
        ),
        ("own-methods", "POST and no TRACE", [(ask(allowed), _method_allowed)]),
        (
            "named-headers-allowed",
            "authorization and content-type may be sent",
            [(ask(allowed, (_HEADERS, "authorization,content-type")), _headers_allowed)],
        ),
        (
            "arbitrary-header-refused",
            "a header that the service does not read is not allowed",
            [(ask(allowed, (_HEADERS, "x-arbitrary")), header_refused)],
        ),
        ("no-origin", "works, without `*`", [(Request(path=door.read), _works)]),
    )


_PRODUCTION = {"NODE_ENV": "production"}
_CONFIGURED = _DOORS[0]
"""The service that is started again with every configuration; all share one template."""

_configuration = partial(
    Configuration,
    expected="only configured origins, canonical; else closed, or refused at the start",
    criterion="1.3",
    removed=("ALLOWED_ORIGINS", "APP_ENV"),
)
_CONFIGURATIONS = (
    _configuration(
        name="configured-origins",
        environment={"ALLOWED_ORIGINS": f" {FIRST}/ , HTTPS://Office.Example:8443 ,"},
        cases=lambda own: [
            *_open(_CONFIGURED, FIRST, SECOND),
            *_CONFIGURED.closed(own, EVIL, ""),
        ],
    ),
    _configuration(
        name="configured-in-production",
        environment={**_PRODUCTION, "ALLOWED_ORIGINS": FIRST},
        cases=lambda own: [*_open(_CONFIGURED, FIRST), *_CONFIGURED.closed(own, EVIL)],
    ),
    _configuration(
        name="wildcard-configured",
        environment={"ALLOWED_ORIGINS": "*"},
        cases=lambda _: _CONFIGURED.closed(EVIL, "*"),
        refusable=True,
    ),
    _configuration(
        name="null-configured",
        environment={"ALLOWED_ORIGINS": f"null,{FIRST}"},
        cases=lambda _: _CONFIGURED.closed("null"),
        refusable=True,
    ),
    _configuration(
        name="empty-configured",
        environment={"ALLOWED_ORIGINS": ""},
        cases=lambda own: _CONFIGURED.closed("", own, EVIL),
        refusable=True,
    ),
    _configuration(
        name="wildcard-in-production",
        environment={**_PRODUCTION, "ALLOWED_ORIGINS": f"{FIRST},*"},
        cases=lambda _: _CONFIGURED.closed(EVIL, "*", ""),
        refusable=True,
    ),
    _configuration(
        name="unset-in-production",
        environment=_PRODUCTION,
        cases=lambda own: _CONFIGURED.closed(own, EVIL),
        refusable=True,
    ),
)


def _refusal(_: str, log: Path) -> str:
    said = [line for line in log.read_text(errors="replace").splitlines() if "ORIGINS" in line]
    return f"it does not start: {said[-1].strip()}" if said else ""


def _probe(service: str, name: str, run: Callable[[ProbeContext], Observation]) -> Probe:
    return Probe.of(service, f"cors.{name}@{service}", "1.3", run)


_OF_HEADERS = "arbitrary-header-refused"
_OF_LOOKALIKES = "lookalike-origins"
_HOLDING_ANYWHERE = frozenset(
    [
        *("evil-origin-preflight", "evil-origin-get", "evil-origin-get-with-cookie"),
        *("null-origin", _OF_LOOKALIKES, "evil-origin-on-errors", _OF_HEADERS),
    ]
)
"""What no policy may answer otherwise, whatever the service's routes and trusted origins are."""
_Run = Callable[[ProbeContext], Observation]


def express_probes_of(tree: Tree, service: Service) -> tuple[Probe, ...]:
    """Return what an Express service that the order does not list is asked, if it has a policy."""
    if not any(npm.is_of(tree, path, service.folder) for path in look(tree).policies):
        return ()
    door = Door(service=service.name, read="/", write="/", refused="/")
    put = dict(_put(door, is_listed=False))
    return tuple(
        _probe(service.name, name, run) for name, run in put.items() if name in _HOLDING_ANYWHERE
    )


def _put(door: Door, *, is_listed: bool) -> Iterator[tuple[str, _Run]]:
    """Yield the questions at a door, each with what puts it.

    Which headers the pages that it trusts may send is the affair of a service with a list of its
    own; a stranger's may send none.
    """
    service = door.service
    strange = {name: exchanges(service, told, put) for name, told, put in _questions(door, EVIL)}
    for name, run in trusted.named(service, partial(_questions, door)):
        if name == _OF_HEADERS:
            yield (
                name,
                partial(_headers, service, run if is_listed else strange[name], strange[name]),
            )
        else:
            yield name, partial(_lookalikes, door, run) if name == _OF_LOOKALIKES else run


def _headers(service: str, trusting: _Run, strange: _Run, context: ProbeContext) -> Observation:
    return (strange if trusted.keeps_a_list(service, context) else trusting)(context)


def _lookalikes(door: Door, develops: _Run, context: ProbeContext) -> Observation:
    """Ask as production, where development trusts some of them."""
    seen = develops(context)
    if seen.passed is not False or f"launch.{door.service}" not in context.settings:
        return seen
    with in_production.process(context, door.service) as url:
        if url is None:
            return seen
        alike = door.closed(*lookalikes(trusted.by(door.service, context)))
        put = trusted.strange(door.service, context, alike)
        again = asked(url, put, seen.expected, f"NODE_ENV=production; {seen.command}")
    return again if again.passed else seen


EXPRESS_PROBES = (
    *(
        _probe(door.service, name, run)
        for door in _DOORS
        for name, run in _put(door, is_listed=True)
    ),
    *(
        _probe(IDENTITY, item.name, partial(configured, IDENTITY, item, _refusal))
        for item in _CONFIGURATIONS
    ),
)
