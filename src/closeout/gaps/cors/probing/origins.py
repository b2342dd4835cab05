"""The origins that probes come from, and how their answers are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from closeout.harness.http import Answer, Judge, Request, judged, send, summary
from closeout.model import Observation

Cases = Sequence[tuple[Request, Judge]]
Question = tuple[str, str, Cases]
"""A name, what is expected, and the requests."""

ALLOWED = "http://localhost:5135"
"""The order's own dashboard on a developer's machine: asked with where a tree names no page."""

EVIL = "http://evil.com"
COOKIE = ("Cookie", "session=1")
FORBIDDEN = "no Access-Control-Allow-Origin"


def lookalikes(origin: str) -> tuple[str, ...]:
    """Return what differs from a trusted origin in one way that a sloppy comparison overlooks."""
    scheme, _, place = origin.partition("://")
    host, colon, number = place.partition(":")
    port = f"{colon}{number}"
    swapped = "http" if scheme == "https" else "https"
    return (
        f"{origin}.evil.com",
        f"{origin}0",
        origin[:-1],
        f"{swapped}://{place}",
        f"{origin}@evil.com",
        f"{EVIL}#@{place}",
        f"{scheme}://{_ALIASES.get(host, '127.0.0.1')}{port}",
        f"{scheme}://[::1]{port}",
        origin.upper(),
        f"{origin}/",
        f"{origin},{EVIL}",
        f"{EVIL} {origin}",
        f"{scheme}://{host}_{port}",
        f"{scheme}://{host}.{port}",
        f"{scheme}://app.{place}",
        f"{scheme}://not{place}",
        place,
        "*",
        "",
    )


_ALIASES = {"127.0.0.1": "localhost"}

_PATH = "/__closeout__/200"


def preflight(
    origin: str, *headers: tuple[str, str], method: str = "POST", path: str = _PATH
) -> Request:
    """Return the question a browser asks before it sends `method` from a page of `origin`."""
    asked = (("Origin", origin), ("Access-Control-Request-Method", method), *headers)
    return Request(method="OPTIONS", path=path, headers=asked)


def get(origin: str, *headers: tuple[str, str], path: str = _PATH) -> Request:
    """Return a page of `origin` reading the service."""
    return Request(path=path, headers=(("Origin", origin), *headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A service, and the paths at which it reads, takes a POST and refuses."""

    service: str = ""
    read: str = _PATH
    write: str = _PATH
    refused: str = _PATH

    def closed(self, *origins: str) -> Cases:
        """Return what a page of each origin asks that nobody trusts."""
        return [case for origin in origins for case in self.both(origin, not_shared)]

    def both(self, origin: str, judge: Judge) -> Cases:
        """Return a preflight and a request from a page of `origin`, judged alike."""
        return [
            (preflight(origin, path=self.write), judge),
            (get(origin, path=self.read), judge),
        ]

    def evil(self) -> Iterator[Question]:
        """Yield what pages that nobody trusts ask, one origin a question."""
        yield "evil-origin-preflight", FORBIDDEN, [(preflight(EVIL, path=self.write), not_shared)]
        yield "evil-origin-get", FORBIDDEN, [(get(EVIL, path=self.read), not_shared)]
        with_cookie = get(EVIL, COOKIE, path=self.read)
        yield "evil-origin-get-with-cookie", FORBIDDEN, [(with_cookie, not_shared)]
        yield "null-origin", FORBIDDEN, self.closed("null")


def not_shared(answer: Answer) -> Sequence[str]:
    """Fault any permission to read the answer."""
    shared = answer.value("access-control-allow-origin")
    return [] if shared is None else [f"Access-Control-Allow-Origin: {shared}"]


def readable_from(origin: str, answer: Answer) -> Sequence[str]:
    """Fault an answer that `origin` cannot read with credentials, or that caches would mix up."""
    trusted = answer.value("access-control-allow-credentials") == "true"
    return [*shared_with(origin, answer), *([] if trusted else ["no credentials"])]


def shared_with(origin: str, answer: Answer) -> Sequence[str]:
    """Fault an answer that `origin` cannot read, or that a cache would hand to another one."""
    faults = []
    if answer.value("access-control-allow-origin") != origin:
        faults.append(f"allowed origin is {answer.value('access-control-allow-origin')!r}")
    if "origin" not in (answer.value("vary") or "").lower():
        faults.append(f"Vary is {answer.value('vary')!r}")
    return faults


def header_refused(answer: Answer) -> Sequence[str]:
    """Fault an answer that lets a page send a header that nobody reads."""
    allowed = (answer.value("access-control-allow-headers") or "").lower()
    return [f"allowed: {allowed}"] if "x-arbitrary" in allowed or "*" in allowed else []


def asked(url: str, cases: Cases, expected: str, command: str) -> Observation:
    """Return what a process of a probe's own answers, the first answer as what was seen."""
    faults: list[str] = []
    seen = ""
    for request, judge in cases:
        answer = send(url, request)
        faults += [f"{request.label}: {fault}" for fault in judge(answer)]
        seen = seen or summary(answer)
    return judged(expected=expected, command=command, faults=faults, seen=seen)
