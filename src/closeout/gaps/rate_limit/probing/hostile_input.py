"""Send what no form sends: the answer is a refusal in order, never a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from closeout.gaps.rate_limit.detect import IDENTITY, LOGIN, REFRESH
from closeout.gaps.rate_limit.probing.visitors import WRONG, posted
from closeout.harness import in_production
from closeout.harness.http import JSON_HEADERS, Answer, Request, ask, judged, summary
from closeout.model import Observation, Probe, ProbeContext

_LOGIN_BODIES: dict[str, object] = {
    "array": {"email": ["a@probe.example"], "password": WRONG},
    "object": {"email": {"$ne": ""}, "password": WRONG},
    "number": {"email": 7, "password": WRONG},
    "boolean": {"email": True, "password": WRONG},
    "prototype-name": {"email": "__proto__", "password": WRONG},
    "prototype-object": {"email": {"__proto__": {"trim": 1}}, "password": WRONG},
    "no-email": {"password": WRONG},
    "no-password": {"email": "a@probe.example"},
    "password-array": {"email": "a@probe.example", "password": [WRONG]},
    "zero-byte": {"email": "a\0@probe.example", "password": WRONG},
    "very-long": {"email": "a" * 50_000, "password": WRONG},
    "null": None,
    "bare-array": [],
}
_REFRESH_BODIES: dict[str, object] = {
    "array": {"refreshToken": ["x"]},
    "object": {"refreshToken": {"a": 1}},
    "number": {"refreshToken": 7},
    "missing": {},
}


def _refused_in_order(answer: Answer) -> Sequence[str]:
    faults = [] if 400 <= answer.status < 500 else [f"status {answer.status}"]  # noqa: PLR2004 - HTTP's classes
    if answer.value("x-content-type-options") != "nosniff":
        faults.append("no security headers")
    return faults


def _sent(request: Request) -> Callable[[ProbeContext], Observation]:
    def run(context: ProbeContext) -> Observation:
        answer = ask(context, IDENTITY, request)
        stack = in_production.stacks(context, IDENTITY, [(request, answer)])
        faults = [*_refused_in_order(answer), *stack.faults]
        return judged(
            expected="4xx, no stack, security headers",
            command=request.command(IDENTITY),
            faults=[f"{request.label}: {fault}" for fault in faults],
            seen=f"{request.label}: {summary(answer)}{stack.note}",
        )

    return run


def _raw(path: str, number: int) -> dict[str, Request]:
    post = partial(Request, method="POST", path=path, source=f"127.251.{number}.1")
    text = (("Content-Type", "text/plain"),)
    return {
        "no-body": post(),
        "text-plain": post(body=b"email=a", headers=text),
        "malformed-json": post(body=b'{"email": ', headers=JSON_HEADERS),
    }


def _requests() -> dict[str, Request]:
    found: dict[str, Request] = {}
    for route, path, bodies in (
        ("login", LOGIN, _LOGIN_BODIES),
        ("refresh", REFRESH, _REFRESH_BODIES),
    ):
        for number, (name, body) in enumerate(bodies.items()):
            source = f"127.{252 if route == 'login' else 253}.{number}.1"
            found[f"{route}-{name}"] = posted(path, body, source)
        number = 1 if route == "login" else 2
        found.update({f"{route}-{name}": one for name, one in _raw(path, number).items()})
    return found


INPUT_PROBES = tuple(
    Probe.of(
        IDENTITY,
        f"rate-limit.input-{name}",
        "2.2" if name.startswith("refresh") else "2.1",
        _sent(request),
    )
    for name, request in _requests().items()
)
