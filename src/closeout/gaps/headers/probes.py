"""Look for the security headers on every kind of answer, and at what they must not break."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from closeout.gaps.headers.probing.behaviour import behaviour, docs_render
from closeout.gaps.headers.services import LISTED, SIBLINGS
from closeout.harness import chromium
from closeout.harness.http import Answer, Judge, Request, ask, exchanges, judged, summary
from closeout.harness.service_discovery import FASTAPI
from closeout.model import Observation, Probe, ProbeContext, Service, Tree

_YEAR = 31_536_000
_OWN = "http://localhost:5135"
_CRASH_TEXT = b"crash-text-7f3d1c"
_ONCE = (
    "x-content-type-options",
    "x-frame-options",
    "strict-transport-security",
    "referrer-policy",
    "content-security-policy",
)


def _preflight(origin: str) -> Request:
    asked = (("Origin", origin), ("Access-Control-Request-Method", "POST"))
    return Request(method="OPTIONS", path="/__closeout__/200", headers=asked)


KINDS = {
    "200": Request(path="/__closeout__/200"),
    "accepted-preflight": _preflight(_OWN),
    "refused-preflight": _preflight("http://evil.com"),
    "307": Request(path="/__closeout__/slash"),
    "403": Request(path="/__closeout__/403"),
    "404": Request(path="/__closeout__/nothing"),
    "405": Request(method="DELETE", path="/__closeout__/200"),
    "422": Request(path="/__closeout__/422?number=x"),
    "500": Request(path="/__closeout__/500"),
    "head": Request(method="HEAD", path="/__closeout__/200"),
}
"""One request for every kind of answer, by the kind's name."""
_SAMPLES = ("200", "accepted-preflight", "404", "500")


def _equals(name: str, wanted: str, answer: Answer) -> Sequence[str]:
    found = answer.value(name)
    return [] if (found or "").lower() == wanted.lower() else [f"{name}: {found}"]


def _hsts(answer: Answer) -> Sequence[str]:
    found = (answer.value("strict-transport-security") or "").lower()
    age = re.search(r"max-age=(\d+)", found)
    long = age is not None and int(age[1]) >= _YEAR
    return [] if long and "includesubdomains" in found else [f"strict-transport-security: {found}"]


def _referrer(answer: Answer) -> Sequence[str]:
    found = answer.value("referrer-policy")
    safe = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
    return [] if found in safe else [f"referrer-policy: {found}"]


def _once(answer: Answer) -> Sequence[str]:
    return [
        f"{name} {len(answer.values(name))} times" for name in _ONCE if len(answer.values(name)) > 1
    ]


_FRAME = partial(_equals, "x-frame-options", "DENY")
_SNIFF = partial(_equals, "x-content-type-options", "nosniff")


def complete(answer: Answer) -> Sequence[str]:
    """Fault an answer that lacks one of the order's headers, or has it twice."""
    return [fault for judge in (_FRAME, _SNIFF, _hsts, _referrer, _once) for fault in judge(answer)]


def _policy(answer: Answer) -> Sequence[str]:
    found = answer.value("content-security-policy") or ""
    wanted = ("frame-ancestors", "object-src", "base-uri")
    return [f"no {directive} in {found!r}" for directive in wanted if directive not in found]


def _isolated(answer: Answer) -> Sequence[str]:
    wanted = ("cross-origin-resource-policy", "cross-origin-opener-policy")
    return [f"no {name}" for name in wanted if answer.value(name) is None]


def _uncached(answer: Answer) -> Sequence[str]:
    found = answer.value("cache-control")
    return [] if "no-store" in (found or "") else [f"cache-control: {found}"]


def _no_filter(answer: Answer) -> Sequence[str]:
    found = answer.value("x-xss-protection")
    return [] if found in {None, "0"} else [f"x-xss-protection: {found}"]


def _no_banner(answer: Answer) -> Sequence[str]:
    return [f"server: {name}" for name in answer.values("server")]


def _silent(answer: Answer) -> Sequence[str]:
    told = _CRASH_TEXT in answer.body or b"Traceback" in answer.body
    return ["the crash's text is in the answer"] if told else []


def _content(service: str) -> Iterator[tuple[str, str, str, Sequence[tuple[Request, Judge]]]]:
    del service
    for kind, request in KINDS.items():
        yield "7.1", f"on-{kind}", "all four headers, each once", [(request, complete)]
    samples = [KINDS[kind] for kind in _SAMPLES]
    yield "7.2", "frame-options", "X-Frame-Options: DENY", [(one, _FRAME) for one in samples]
    yield "7.3", "nosniff", "X-Content-Type-Options: nosniff", [(one, _SNIFF) for one in samples]
    yield (
        "7.4",
        "hsts",
        "HSTS of a year or more, with subdomains",
        [(one, _hsts) for one in samples],
    )
    plain = KINDS["200"]
    yield "M.6", "present", "all four headers on an ordinary answer", [(plain, complete)]
    yield "7.1", "content-policy", "frame-ancestors, object-src, base-uri", [(plain, _policy)]
    yield "7.1", "isolation", "CORP and COOP", [(plain, _isolated)]
    yield "7.1", "no-store", "Cache-Control: no-store on an API answer", [(plain, _uncached)]
    yield "7.1", "no-xss-filter", "X-XSS-Protection 0 or absent", [(plain, _no_filter)]
    yield "7.1", "no-banner", "no Server header", [(plain, _no_banner), (KINDS["404"], _no_banner)]
    yield "7.1", "silent-500", "a 500 that tells nothing", [(KINDS["500"], _silent)]


def _page(service: str, key: str, context: ProbeContext) -> Observation:
    """Ask for a page whose place the launcher reported: documentation or schema."""
    path = context.settings[f"{key}.{service}"] or f"/{key}"
    request = Request(path=path)
    answer = ask(context, service, request)
    return judged(
        expected="all four headers, each once",
        command=request.command(service),
        faults=complete(answer),
        seen=summary(answer),
    )


def probes_of(tree: Tree, service: Service) -> tuple[Probe, ...]:
    """Return what a FastAPI service is asked; an Express service sends its headers by Helmet."""
    del tree
    return tuple(_questions(service.name)) if service.kind == FASTAPI else ()


def _questions(service: str) -> Iterator[Probe]:
    for criterion, name, expected, cases in _content(service):
        yield Probe.of(
            service, f"headers.{name}@{service}", criterion, exchanges(service, expected, cases)
        )
    runs: tuple[tuple[str, Callable[[ProbeContext], Observation]], ...] = (
        ("on-docs", partial(_page, service, "docs")),
        ("on-openapi", partial(_page, service, "openapi")),
        *behaviour(service),
    )
    for name, run in runs:
        yield Probe.of(service, f"headers.{name}@{service}", "7.1", run)

    yield Probe.of(
        service,
        f"headers.docs-render@{service}",
        "7.1",
        partial(docs_render, service),
        chromium.PROGRAM,
    )


PROBES = tuple(probe for service in (*LISTED, *SIBLINGS) for probe in _questions(service))
