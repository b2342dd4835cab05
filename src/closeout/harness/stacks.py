"""Find the stack of an error in what a service answers, as it would answer in production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from closeout.harness.boot import Booted, booted, launch_of
from closeout.harness.http import Answer, Request, send
from closeout.model import ProbeContext

_PRODUCTION = {"NODE_ENV": "production"}
_TOLD = (b"    at ", b"node_modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is wrong with the answers, and what is to be said of those that are in order."""

    faults: tuple[str, ...] = ()
    note: str = ""


def shown(context: ProbeContext, service: str, asked: Sequence[tuple[Request, Answer]]) -> Shown:
    """Return whether the answers of `service` show a stack.

    Express gives it to whoever asks in development, where the battery boots. So a service that
    shows one is asked the same as production, in a process of its own, and that answer decides.
    """
    telling = [request for request, answer in asked if _tells(answer)]
    if not telling:
        return Shown()
    launch = launch_of(context, service).with_environment(_PRODUCTION)
    with booted(launch, context.scratch / f"{service}-production.log") as process:
        if not isinstance(process, Booted):
            return Shown(faults=("a stack is in the answer",))
        if any(_tells(send(process.url, request)) for request in telling):
            return Shown(faults=("a stack is in the answer, in production as well",))
    return Shown(note="; a stack is in the answer in development, and in production there is none")


def _tells(answer: Answer) -> bool:
    return any(word in answer.body for word in _TOLD)
