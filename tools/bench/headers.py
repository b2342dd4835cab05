"""Measure what the security headers cost: a bare application, the order's middleware and ours."""

from __future__ import annotations

import re
import socket
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from closeout import resources
from closeout.fs import writer
from closeout.harness.http import Request, send
from closeout.process import pace, running

VARIANTS = ("bare", "order", "ours")
MOST = 1.15
"""Ours may take this many times the CPU of the bare application, on the median."""

_APP = Path(__file__).with_name("headers_app.py")
_REQUESTS = 1500
_WARM_UP = 300
_ASK = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Medians of one variant over all rounds."""

    per_second: float
    cpu_microseconds: float


def measure(python: Path, scratch: Path, *, rounds: int = 9) -> Mapping[str, Cost]:
    """Return the cost of every variant, asked in turn in the same run.

    `python` is the interpreter of the services' environment.
    """
    module = resources.render("headers/security_headers.py.j2", {"page_hosts": ""})
    writer.durable_write(scratch / "security_headers.py", module)
    seen: dict[str, list[tuple[float, float]]] = {variant: [] for variant in VARIANTS}
    with ExitStack() as stack:
        ports = {
            variant: stack.enter_context(_served(variant, python, scratch)) for variant in VARIANTS
        }
        for port in ports.values():
            _ask(port, _WARM_UP)
        for number in range(rounds):
            # Whoever goes first in a round must not always be the same one.
            turn = number % len(VARIANTS)
            for variant in (*VARIANTS[turn:], *VARIANTS[:turn]):
                seen[variant].append(_round(ports[variant]))
    return {
        variant: Cost(
            per_second=statistics.median(each[0] for each in figures),
            cpu_microseconds=statistics.median(each[1] for each in figures),
        )
        for variant, figures in seen.items()
    }


def table(costs: Mapping[str, Cost]) -> str:
    """Return the costs as a table for a terminal, with the ratio to the bare application."""
    bare = costs["bare"]
    rows = [
        f"  {name:<6} {cost.per_second:>8.0f} requests/s {cost.cpu_microseconds:>7.0f} us CPU a "
        f"request, {cost.cpu_microseconds / bare.cpu_microseconds:.2f} of bare"
        for name, cost in costs.items()
    ]
    ratio = costs["ours"].cpu_microseconds / bare.cpu_microseconds
    told = "within" if ratio <= MOST else "ABOVE"
    title = "security headers: bare application / the order's BaseHTTPMiddleware / ours"
    return "\n".join([title, *rows, f"  ours is {told} {MOST} of bare"])


@contextmanager
def _served(variant: str, python: Path, scratch: Path) -> Iterator[int]:
    log = scratch / f"{variant}.log"
    argv = (python, _APP, scratch, variant)
    with running(argv, log=log, cwd=scratch) as process:
        waiting = pace.Waiting(pace.BOOT_DEADLINE, group=process.pid, log=log)
        while waiting.lasts() and process.poll() is None:
            told = re.match(r"(\d+)\n", log.read_text())
            if told:
                yield int(told[1])
                return
            time.sleep(0.05)
        message = f"the {variant} application does not start: {log.read_text()[-300:]}"
        raise RuntimeError(message)


def _round(port: int) -> tuple[float, float]:
    """Return requests per second and CPU microseconds a request of one round."""
    base = f"http://127.0.0.1:{port}"
    before = float(send(base, Request(path="/cpu")).body)
    began = time.monotonic()
    _ask(port, _REQUESTS)
    took = time.monotonic() - began
    after = float(send(base, Request(path="/cpu")).body)
    return _REQUESTS / took, (after - before) / _REQUESTS * 1e6


def _ask(port: int, times: int) -> None:
    """Ask over one kept connection: what is measured is the application, not the handshake."""
    with socket.create_connection(("127.0.0.1", port), timeout=30.0) as connection:
        for _ in range(times):
            connection.sendall(_ASK)
            answer = connection.recv(65536)
            while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                more = connection.recv(65536)
                if not more:
                    message = f"the connection ended after {answer!r}"
                    raise RuntimeError(message)
                answer += more
