"""Ask a service over HTTP: one fresh connection a request, bounded, loopback only.

A kept connection would hide answers: after an unhandled 500 uvicorn drops it, and the next
request on it is reset about once in ten times.
"""

from __future__ import annotations

import errno
import shlex
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from closeout.model import Observation, ProbeContext
from closeout.process import pace

DEADLINE = 10.0
"""Seconds for one answer, on a quiet machine."""
JSON_HEADERS = (("Content-Type", "application/json"),)

_BODY_CAP = 1024 * 1024


class NoAnswerError(Exception):
    """The service closed, reset or refused the connection, or kept silent past the deadline."""


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer; header names are in lower case, in order, with repetitions."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    first_byte: float = 0.0
    """Seconds from the request to the body's first byte."""
    last_byte: float = 0.0

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of the header `name`."""
        return tuple(value for key, value in self.headers if key == name.lower())

    def value(self, name: str) -> str | None:
        """Return the header's values joined as HTTP does, or None where it is absent."""
        found = self.values(name)
        return ", ".join(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `source` is the loopback address it comes from, empty for the default."""

    method: str = "GET"
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source: str = ""

    @property
    def label(self) -> str:
        """Return the request in a few words."""
        origin = [f" from {value!r}" for name, value in self.headers if name == "Origin"]
        return f"{self.method} {self.path}{''.join(origin)}"

    def command(self, service: str) -> str:
        """Return the request as a curl command against the service's name, without its body."""
        words = ["curl", "-i", "-X", self.method]
        for name, value in self.headers:
            words += ["-H", f"{name}: {value}"]
        if self.source:
            words += ["--interface", self.source]
        if self.body:
            words += ["--data-binary", "@body"]
        return shlex.join([*words, f"http://{service}{self.path}"])


def send(base: str, request: Request, *, deadline: float | None = None) -> Answer:
    """Return the answer to `request` on a new connection to `base`.

    A given `deadline` is kept to the second, whatever else the machine does.
    Raises NoAnswerError where there is none.
    """
    parts = urlsplit(base)
    source = (request.source, 0) if request.source else None
    seconds = pace.scaled(DEADLINE) if deadline is None else deadline
    import http.client  # noqa: PLC0415 - it loads TLS, which no plan needs

    connection = http.client.HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port, timeout=seconds, source_address=source
    )
    try:
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in _complete(request):
            connection.putheader(name, value.encode())
        connection.endheaders(request.body or None)
        began = time.monotonic()
        response = connection.getresponse()
        first = response.read(1)
        first_byte = time.monotonic() - began
        body = first + response.read(_BODY_CAP)
        last_byte = time.monotonic() - began
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            # This machine lacks the address or the port to ask from: the service is not at fault.
            raise
        message = f"{request.method} {request.path}: no answer ({type(error).__name__}: {error})"
        raise NoAnswerError(message) from error
    finally:
        connection.close()
    return Answer(
        status=response.status,
        headers=headers,
        body=body,
        first_byte=first_byte,
        last_byte=last_byte,
    )


def _complete(request: Request) -> tuple[tuple[str, str], ...]:
    extra = [("Connection", "close")]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        extra.append(("Content-Length", str(len(request.body))))
    return (*request.headers, *extra)


def ask(context: ProbeContext, service: str, request: Request) -> Answer:
    """Return the answer of the booted `service`, named by its folder."""
    return send(context.services[service], request)


def judged(*, expected: str, command: str, faults: Sequence[str], seen: str) -> Observation:
    """Return an observation that passed where there are no `faults`; it records what was seen."""
    return Observation(
        passed=not faults,
        expected=expected,
        observed=f"{'; '.join(faults)} (seen: {seen})" if faults else seen,
        command=command,
    )


def unproven(*, expected: str, command: str, because: str) -> Observation:
    """Return an observation that did not run, with its reason."""
    return Observation(passed=None, expected=expected, observed=because, command=command)


Judge = Callable[[Answer], Sequence[str]]
"""What is wrong with an answer, in words; nothing where it is as expected."""


def exchanges(
    service: str, expected: str, cases: Sequence[tuple[Request, Judge]]
) -> Callable[[ProbeContext], Observation]:
    """Return a probe function: every request is sent to `service`, every answer judged."""

    def run(context: ProbeContext) -> Observation:
        faults: list[str] = []
        seen: list[str] = []
        for request, judge in cases:
            answer = ask(context, service, request)
            faults += [f"{request.label}: {fault}" for fault in judge(answer)]
            seen.append(f"{request.label}: {summary(answer)}")
        command = cases[0][0].command(service)
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        return judged(
            expected=expected, command=command + more, faults=faults, seen="; ".join(seen[:3])
        )

    return run


_TOLD = (
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "strict-transport-security",
    "retry-after",
)


def summary(answer: Answer, told: Sequence[str] = _TOLD) -> str:
    """Return the status and the telling headers, short enough for a report."""
    shown = [f"{name}: {value}" for name in told if (value := answer.value(name)) is not None]
    return ", ".join([f"status {answer.status}", *shown])


def tally(statuses: Sequence[int]) -> str:
    """Return the statuses of a series in runs: `401 x5, 429 x5`."""
    runs: list[list[int]] = []
    for status in statuses:
        if runs and runs[-1][0] == status:
            runs[-1][1] += 1
        else:
            runs.append([status, 1])
    return ", ".join(f"{status} x{count}" for status, count in runs)
