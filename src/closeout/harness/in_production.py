"""Ask a service as production what it answers otherwise in development, where the battery boots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from closeout.harness.boot import Booted, booted, launch_of
from closeout.harness.http import Answer, Request, send
from closeout.model import ProbeContext

_PRODUCTION = {"NODE_ENV": "production"}
_TOLD = (b"    at ", b"node_modules")


@contextmanager
def process(context: ProbeContext, service: str) -> Iterator[str | None]:
    """Start `service` as production; give its base URL, None where it does not start so."""
    launch = launch_of(context, service).with_environment(_PRODUCTION)
    with booted(launch, context.scratch / f"{service}-production.log") as started:
        yield started.url if isinstance(started, Booted) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """What is wrong with the answers, and what is to be said of those that are in order."""

    faults: tuple[str, ...] = ()
    note: str = ""


def stacks(context: ProbeContext, service: str, asked: Sequence[tuple[Request, Answer]]) -> Stacks:
    """Return whether the answers of `service` show the stack of an error.

    Express gives it to whoever asks in development. So a service that shows one is asked the same
    as production, and that answer decides.
    """
    telling = [request for request, answer in asked if _tells(answer)]
    if not telling:
        return Stacks()
    with process(context, service) as url:
        if url is None:
            return Stacks(faults=("a stack is in the answer",))
        if any(_tells(send(url, request)) for request in telling):
            return Stacks(faults=("a stack is in the answer, in production as well",))
    return Stacks(note="; a stack is in the answer in development, and in production there is none")


def _tells(answer: Answer) -> bool:
    return any(word in answer.body for word in _TOLD)
