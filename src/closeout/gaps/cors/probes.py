"""Questions a hostile web page puts to a service, and what its own pages need of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from closeout.formats.listed_services import is_orders_own
from closeout.gaps.cors.detect import LISTED, NAMED, SIBLINGS
from closeout.gaps.cors.probing import trusted
from closeout.gaps.cors.probing.configuration import CONFIGURATION_PROBES
from closeout.gaps.cors.probing.express import EXPRESS_PROBES, express_probes_of
from closeout.gaps.cors.probing.origins import (
    COOKIE,
    EVIL,
    FORBIDDEN,
    Door,
    Question,
    get,
    header_refused,
    lookalikes,
    not_shared,
    preflight,
    readable_from,
)
from closeout.gaps.cors.wiring import origins
from closeout.harness.http import Answer, Request, ask, exchanges, judged, summary, unproven
from closeout.harness.service_discovery import FASTAPI
from closeout.model import Observation, Probe, ProbeContext, Service, Tree

_DOOR = Door()
_ERRORS = ("403", "404", "500")


def _evil(allowed: str) -> Iterator[Question]:
    alike = lookalikes(allowed)
    yield from _DOOR.evil()
    yield (
        "lookalike-origins-preflight",
        f"{FORBIDDEN} for any of {len(alike)} lookalikes",
        [(preflight(origin), not_shared) for origin in alike],
    )
    yield (
        "lookalike-origins-get",
        f"{FORBIDDEN} for any of {len(alike)} lookalikes, with and without a cookie",
        [(get(origin, *cookies), not_shared) for origin in alike for cookies in ((), (COOKIE,))],
    )
    yield (
        "evil-origin-on-errors",
        f"{FORBIDDEN} on 403, 404 and 500",
        [(get(EVIL, path=f"/__closeout__/{kind}"), not_shared) for kind in _ERRORS],
    )


def _own_pages(allowed: str) -> Iterator[Question]:
    """Yield what pages of a trusted origin have to be able to do, and what not even they may."""
    readable = partial(readable_from, allowed)
    yield (
        "allowed-origin",
        "that exact origin, credentials and Vary: Origin",
        _DOOR.both(allowed, readable),
    )
    yield (
        "allowed-origin-reads-refusals",
        "403 and 422 carry the allowed origin",
        [
            (get(allowed, path="/__closeout__/403"), readable),
            (get(allowed, path="/__closeout__/422?number=x"), readable),
        ],
    )
    yield (
        "allowed-origin-reads-crashes",
        "500 carries the allowed origin",
        [(get(allowed, path="/__closeout__/500"), readable)],
    )
    yield (
        "arbitrary-header-refused",
        "a header that the service does not read is not allowed",
        [(preflight(allowed, ("Access-Control-Request-Headers", "x-arbitrary")), header_refused)],
    )
    yield "trace-refused", "TRACE is refused", [(preflight(allowed, method="TRACE"), _refused)]


def _named_headers(service: str, page: str, context: ProbeContext) -> Observation:
    """Ask for the headers that pages send, with a method that the service takes."""
    allowed = trusted.by(service, context, page)
    method = context.settings[f"methods.{service}"].split(",")[0] or "GET"
    headers = ("Access-Control-Request-Headers", "authorization,content-type")
    asked = preflight(allowed, headers, method=method)
    answer = ask(context, service, asked)
    return judged(
        expected="authorization and content-type may be sent",
        command=asked.command(service),
        faults=_accepted(answer),
        seen=summary(answer),
    )


def _accepted(answer: Answer) -> Sequence[str]:
    return [] if answer.status in {200, 204} else [f"status {answer.status}"]


def _refused(answer: Answer) -> Sequence[str]:
    methods = (answer.value("access-control-allow-methods") or "").upper()
    if answer.status in {200, 204} and "TRACE" in methods:
        return [f"allowed: {methods}"]
    return []


def _same_site(answer: Answer) -> Sequence[str]:
    shared = answer.value("access-control-allow-origin")
    faults = [] if answer.status == 200 else [f"status {answer.status}"]  # noqa: PLR2004 - HTTP's own number
    return [*faults, *([f"shared with {shared!r}"] if shared else [])]


def _own_methods(service: str, page: str, context: ProbeContext) -> Observation:
    """Ask for every method that the service's own routes take: a fixed list breaks PATCH."""
    allowed = trusted.by(service, context, page)
    methods = context.settings[f"methods.{service}"].split(",")
    command = preflight(allowed, method=methods[0]).command(service)
    expected = f"each of the service's own methods: {', '.join(methods)}"
    if not methods[0]:
        because = "the service tells no schema, so its methods are not known"
        return unproven(expected=expected, command=command, because=because)
    faults, seen = [], ""
    for method in methods:
        answer = ask(context, service, preflight(allowed, method=method))
        listed = answer.value("access-control-allow-methods") or ""
        if answer.status not in {200, 204} or method not in listed:
            faults.append(f"{method}: {summary(answer)}, allowed: {listed}")
        seen = f"allowed: {listed}"
    return judged(expected=expected, command=command, faults=faults, seen=seen)


def probes_of(tree: Tree, service: Service) -> tuple[Probe, ...]:
    """Return what a service is asked that the order does not list."""
    if service.kind == FASTAPI:
        criterion = "1.3" if is_orders_own(tree, NAMED) else "1.1"
        return tuple(_questions(service.name, criterion, next(iter(origins(tree)), "")))
    return express_probes_of(tree, service)


def _questions(service: str, criterion: str, page: str | None = None) -> Iterator[Probe]:
    """Yield what a service is asked; `page` is the origin of the tree's pages, empty without any.

    Where it is None, the tree that is asked tells.
    """

    def asked(allowed: str) -> Iterator[Question]:
        yield from _evil(allowed)
        yield from () if page == "" else _own_pages(allowed)
        yield "no-origin", "works, without `*`", [(Request(path="/__closeout__/200"), _same_site)]

    put = list(trusted.named(service, asked, page or ""))
    if page != "":
        own = (("own-methods", _own_methods), ("named-headers-allowed", _named_headers))
        put += [(name, partial(run, service, page or "")) for name, run in own]
    for name, run in put:
        yield Probe.of(service, f"cors.{name}@{service}", criterion, run)
    for number in ("1.3", "M.1"):
        yield Probe.of(
            service,
            f"cors.unknown-origins-rejected-{number.lower()}@{service}",
            number,
            exchanges(
                service,
                "neither `*` nor the unknown origin, on a preflight and on a GET with a cookie",
                [(preflight(EVIL), not_shared), (get(EVIL, COOKIE), not_shared)],
            ),
        )


def _not_a_star(answer: Answer) -> Sequence[str]:
    return ["`*`"] if answer.value("access-control-allow-origin") == "*" else []


_AS_THE_ORDER_ASKS = Probe(
    id="cors.order-check-as-written@edge-vision-inference",
    criterion="1.1",
    needs=("edge-vision-inference",),
    run=exchanges(
        "edge-vision-inference",
        "not `*` (the order's own check, which an unfixed service passes by reflecting)",
        [(preflight(EVIL, path="/api/v1/inference"), _not_a_star)],
    ),
    subject="edge-vision-inference",
)

PROBES = (
    *(probe for service in LISTED for probe in _questions(service, "1.1")),
    *(probe for service in SIBLINGS for probe in _questions(service, "1.3")),
    _AS_THE_ORDER_ASKS,
    *CONFIGURATION_PROBES,
    *EXPRESS_PROBES,
)
