"""Run several processes of the identity service, as a deployment does, and try them in turn."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from closeout.gaps.rate_limit.detect import IDENTITY
from closeout.gaps.rate_limit.probing.visitors import LIMITED, WRONG, five_then_limited, login
from closeout.harness import redis
from closeout.harness.boot import NotBooted, booted, launch_of
from closeout.harness.http import Request, free_port, judged, send, tally, unproven
from closeout.harness.service_database import account
from closeout.model import Observation, Probe, ProbeContext
from closeout.process import pace

COMMAND = Request(method="POST", path="/api/v1/auth/login").command(f"each replica of {IDENTITY}")
_SLOW = 5.0
_RECOVERY = 8.0
_CONNECTED = 1.0
_SETTLED = 0.1


class NotUpError(Exception):
    """A replica does not boot; the message says why."""


def replicas(
    stack: ExitStack,
    context: ProbeContext,
    count: int,
    settings: Mapping[str, str],
    service: str = IDENTITY,
) -> list[str]:
    """Start `count` processes of a service and return their base URLs.

    Raises NotUpError with the reason where one does not boot.
    """
    launch = launch_of(context, service).with_environment(settings)
    urls = []
    for number in range(count):
        log = context.scratch / f"{service}-{number}.log"
        started = stack.enter_context(booted(launch, log))
        if isinstance(started, NotBooted):
            raise NotUpError(started.reason)
        urls.append(started.url)
    return urls


def log_of_replica(context: ProbeContext) -> str:
    """Return what the first replica has logged."""
    return (context.scratch / f"{IDENTITY}-0.log").read_text(errors="replace")


def _try(urls: list[str], tries: int, number: int, address: str) -> list[int]:
    body = {"email": account(number), "password": WRONG}
    return [
        send(urls[turn % len(urls)], login(body, address), deadline=pace.scaled(_SLOW)).status
        for turn in range(tries)
    ]


def _counting(stack: ExitStack, context: ProbeContext, count: int) -> tuple[int, list[str]]:
    """Start Redis and processes that count there; return its port and their base URLs."""
    port = free_port()
    stack.enter_context(redis.server(context.scratch, port))
    urls = replicas(stack, context, count, {"REDIS_URL": f"redis://127.0.0.1:{port}"})
    _settle(port, urls)
    return port, urls


def _shared(context: ProbeContext) -> Observation:
    expected = "three processes share five tries through Redis"
    with ExitStack() as stack:
        _, urls = _counting(stack, context, 3)
        statuses = _try(urls, 15, 190, "127.254.1.1")
    faults = five_then_limited(statuses)
    return judged(expected=expected, command=COMMAND, faults=faults, seen=tally(statuses))


def _killed(context: ProbeContext) -> Observation:
    expected = "Redis ends in mid-run: still limited, no answer hangs"
    port = free_port()
    with ExitStack() as stack:
        with redis.server(context.scratch, port):
            urls = replicas(stack, context, 1, {"REDIS_URL": f"redis://127.0.0.1:{port}"})
            _settle(port, urls)
            statuses = _try(urls, 3, 191, "127.254.2.1")
        began = time.monotonic()
        statuses += _try(urls, 9, 191, "127.254.2.1")
        took = time.monotonic() - began
    faults = five_then_limited(statuses)
    faults += [] if took < pace.scaled(_SLOW) else [f"nine tries took {took:.1f} s"]
    return judged(expected=expected, command=COMMAND, faults=faults, seen=tally(statuses))


def _absent(context: ProbeContext) -> Observation:
    expected = "Redis absent at boot: it boots and limits, and counts in Redis once that is there"
    port = free_port()
    with ExitStack() as stack:
        urls = replicas(stack, context, 2, {"REDIS_URL": f"redis://127.0.0.1:{port}"})
        alone = _try(urls[:1], 8, 192, "127.254.3.1")
        later = _once_redis_is_there(stack, context, port, urls) if LIMITED in alone else []
    faults = [f"alone: {told}" for told in five_then_limited(alone)]
    faults += [] if LIMITED in later else [f"with Redis back: {tally(later)}"]
    seen = f"alone {tally(alone)}; with Redis back {tally(later)}"
    return judged(expected=expected, command=COMMAND, faults=faults, seen=seen)


def _once_redis_is_there(
    stack: ExitStack, context: ProbeContext, port: int, urls: list[str]
) -> list[int]:
    """Start Redis and return the first series in which two processes share a count."""
    stack.enter_context(redis.server(context.scratch, port))
    waiting = pace.Waiting(_RECOVERY)
    statuses: list[int] = []
    for attempt in itertools.count(1):
        # A fresh account each time: six tries over two processes show whether they share.
        statuses = _try(urls, 6, 192 + attempt % 7, f"127.254.4.{attempt}")
        if LIMITED in statuses or not waiting.lasts():
            break
        time.sleep(0.3)
    return statuses


def _refusing(context: ProbeContext) -> Observation:
    expected = "Redis answers with errors: still limited, and the log says so once"
    with ExitStack() as stack:
        port, urls = _counting(stack, context, 1)
        redis.send(port, "ACL SETUSER default -@scripting")
        statuses = _try(urls, 8, 193, "127.254.6.1")
        said = log_of_replica(context).count("Redis answers NOPERM")
    faults = five_then_limited(statuses)
    faults += [] if said == 1 else [f"the log says it {said} times"]
    return judged(expected=expected, command=COMMAND, faults=faults, seen=tally(statuses))


def _settle(port: int, urls: Sequence[str]) -> None:
    # The service listens before its Redis connection is up; until then it counts by itself.
    waiting = pace.Waiting(_CONNECTED)
    while redis.clients(port) < len(urls) and waiting.lasts():
        time.sleep(_SETTLED)
    time.sleep(pace.scaled(_SETTLED))


def own_boot(run: Callable[[ProbeContext], Observation]) -> Callable[[ProbeContext], Observation]:
    """Return the probe, unproven where a replica of its own does not boot."""

    def guarded(context: ProbeContext) -> Observation:
        try:
            return run(context)
        except NotUpError as error:
            return unproven(expected="the replicas boot", command=COMMAND, because=str(error))

    return guarded


REPLICA_PROBES = (
    Probe.of(IDENTITY, "rate-limit.replicas-share", "2.1", own_boot(_shared), "redis-server"),
    Probe.of(IDENTITY, "rate-limit.redis-killed", "2.1", own_boot(_killed), "redis-server"),
    Probe.of(IDENTITY, "rate-limit.redis-absent-at-boot", "2.1", own_boot(_absent), "redis-server"),
    Probe.of(IDENTITY, "rate-limit.redis-refuses", "2.1", own_boot(_refusing), "redis-server"),
)
