"""Claim devices: rightly, wrongly, with the literal that used to stand in the source, in bulk."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence

from closeout.gaps.factory_secret.claims import claims_of, refresh_secret
from closeout.gaps.factory_secret.services import IDENTITY, TENANT_REGISTRY
from closeout.harness import in_production
from closeout.harness.boot import Booted, booted, launch_of
from closeout.harness.http import JSON_HEADERS, Answer, Request, ask, judged, send, summary, tally
from closeout.harness.service_log import log_of
from closeout.model import Observation, Probe, ProbeContext

OLD_LITERAL = "FACTORY-SECRET"
_VARIABLE = "DEVICE_FACTORY_SECRET"
_REFUSED = 401
_LIMITED = 429
_UNAVAILABLE = 503
_BAD_REQUEST = range(400, 500)
_ACCEPTED = (200, 201)

_slots = itertools.count(1)


def _claim(context: ProbeContext, code: object, *, source: str, serial: str = "") -> Request:
    """Return a claim from `source`, an address that no other probe uses."""
    claims = claims_of(context, TENANT_REGISTRY)
    device = dict.fromkeys(claims.serials, serial or f"SN-{source}")
    body = {**device, "tenantId": "tenant-probe", claims.code: code}
    return _posted(context, json.dumps(body).encode(), source)


def _posted(context: ProbeContext, body: bytes, source: str) -> Request:
    path = claims_of(context, TENANT_REGISTRY).path
    return Request(method="POST", path=path, headers=JSON_HEADERS, body=body, source=source)


def _command(context: ProbeContext) -> str:
    path = claims_of(context, TENANT_REGISTRY).path
    return Request(method="POST", path=path).command(TENANT_REGISTRY)


def _secret(context: ProbeContext) -> str:
    return launch_of(context, TENANT_REGISTRY).environment[_VARIABLE]


def _probe(name: str, criterion: str, run: Callable[[ProbeContext, str], Observation]) -> Probe:
    source = f"127.200.{next(_slots)}.1"
    return Probe.of(
        TENANT_REGISTRY, f"factory-secret.{name}", criterion, lambda context: run(context, source)
    )


def _answered(
    code: Callable[[str], object], expected: str, statuses: Sequence[int]
) -> Callable[[ProbeContext, str], Observation]:
    """Return a probe that claims with what `code` makes of the configured secret."""

    def run(context: ProbeContext, source: str) -> Observation:
        secret = _secret(context)
        request = _claim(context, code(secret), source=source)
        answer = ask(context, TENANT_REGISTRY, request)
        stack = in_production.stacks(context, TENANT_REGISTRY, [(request, answer)])
        faults = [] if answer.status in statuses else [f"status {answer.status}"]
        faults += stack.faults
        if secret.encode() in answer.body:
            faults.append("the secret is in the answer")
        seen = f"{summary(answer)}{stack.note}"
        return judged(expected=expected, command=_command(context), faults=faults, seen=seen)

    return run


def _without_code(context: ProbeContext, source: str) -> Observation:
    device = dict.fromkeys(claims_of(context, TENANT_REGISTRY).serials, f"SN-{source}")
    body = json.dumps({**device, "tenantId": "tenant-probe"}).encode()
    return _refused(context, [_posted(context, body, source)], lambda told: summary(told[0]))


def _malformed(context: ProbeContext, source: str) -> Observation:
    bodies = (b"", b"[]", b"null", b'{"claimCode": ', b'"text"')
    requests = [_posted(context, body, source) for body in bodies]
    return _refused(context, requests, lambda told: tally([answer.status for answer in told]))


def _refused(
    context: ProbeContext, requests: Sequence[Request], shown: Callable[[Sequence[Answer]], str]
) -> Observation:
    asked = [(request, ask(context, TENANT_REGISTRY, request)) for request in requests]
    stack = in_production.stacks(context, TENANT_REGISTRY, asked)
    answers = [answer for _, answer in asked]
    faults = [f"status {one.status}" for one in answers if one.status not in _BAD_REQUEST]
    return judged(
        expected="4xx, no stack",
        command=_command(context),
        faults=[*faults, *stack.faults],
        seen=f"{shown(answers)}{stack.note}",
    )


def _audited(context: ProbeContext, source: str) -> Observation:
    claimed, serial = "guess-5c1d77", "SN-audited-1"
    ask(context, TENANT_REGISTRY, _claim(context, claimed, source=source, serial=serial))
    log = log_of(context, TENANT_REGISTRY)
    checks = {
        "the refused claim is not in the log": serial in log,
        "the guess is in the log": claimed not in log,
        "the secret is in the log": _secret(context) not in log,
    }
    return judged(
        expected="the refusal is logged, without the guess and without the secret",
        command=f"{_command(context)}; read the log",
        faults=[fault for fault, holds in checks.items() if not holds],
        seen=f"{len(log)} bytes of log",
    )


def _brute_force(context: ProbeContext, source: str) -> Observation:
    statuses = []
    for number in range(120):
        request = _claim(context, f"guess-{number}", source=source, serial=f"SN-{source}-{number}")
        statuses.append(ask(context, TENANT_REGISTRY, request).status)
    elsewhere = source.removesuffix(".1") + ".2"
    right = ask(
        context, TENANT_REGISTRY, _claim(context, _secret(context), source=elsewhere)
    ).status
    faults = [] if _LIMITED in statuses else ["120 guesses passed"]
    faults += [] if right in _ACCEPTED else [f"the factory elsewhere: {right}"]
    return judged(
        expected="429 before 120 guesses, while the factory goes on",
        command=_command(context),
        faults=faults,
        seen=f"{tally(statuses)}; the factory elsewhere {right}",
    )


def _factory_line(context: ProbeContext, source: str) -> Observation:
    secret = _secret(context)
    statuses = []
    for number in range(40):
        request = _claim(context, secret, source=source, serial=f"SN-{source}-{number}")
        statuses.append(ask(context, TENANT_REGISTRY, request).status)
    faults = [] if set(statuses) <= set(_ACCEPTED) else [tally(statuses)]
    return judged(
        expected="40 right claims in a row pass",
        command=_command(context),
        faults=faults,
        seen=tally(statuses),
    )


def _configured(
    settings: Mapping[str, str], claims: Sequence[str]
) -> Callable[[ProbeContext, str], Observation]:
    """Return a probe of a process of its own whose configured secret must not be good enough."""

    def run(context: ProbeContext, source: str) -> Observation:
        expected = "no claim passes; the answer names no configuration (or it does not boot)"
        shown = " ".join(f"{name}={value!r}" for name, value in settings.items())
        command = f"{shown or f'unset {_VARIABLE}'}; start; {_command(context)}"
        launch = launch_of(context, TENANT_REGISTRY).without(_VARIABLE).with_environment(settings)
        with booted(launch, context.scratch / "service.log") as service:
            if not isinstance(service, Booted):
                faults = [] if _VARIABLE in service.reason else ["it ended for another reason"]
                seen = service.reason
                return judged(expected=expected, command=command, faults=faults, seen=seen)
            answers = [send(service.url, _claim(context, claim, source=source)) for claim in claims]
        faults = [f"status {one.status}" for one in answers if one.status != _UNAVAILABLE]
        faults += [
            "the answer names the configuration"
            for one in answers
            if any(word in one.body.upper() for word in (b"CONFIG", b"SECRET", b"ENV"))
        ]
        statuses = tally([one.status for one in answers])
        return judged(expected=expected, command=command, faults=faults, seen=statuses)

    return run


def _no_fallback(context: ProbeContext) -> Observation:
    """Start the service that signs tokens without the secret that it signs them with."""
    variable = refresh_secret(context.root, IDENTITY)
    launch = launch_of(context, IDENTITY).without(variable)
    with booted(launch, context.scratch / "service.log") as service:
        if isinstance(service, Booted):
            faults, seen = ["it starts, and signs with a literal of the source"], "it listens"
        else:
            faults = [] if variable in service.reason else ["it ended for another reason"]
            seen = service.reason
    return judged(
        expected=f"it does not start without {variable}",
        command=f"unset {variable}; start {IDENTITY}",
        faults=faults,
        seen=seen,
    )


PROBES = (
    _probe("old-literal", "4.1", _answered(lambda _: OLD_LITERAL, "401", [_REFUSED])),
    _probe("right-secret", "4.2", _answered(lambda secret: secret, "200 or 201", _ACCEPTED)),
    _probe("wrong-secret", "4.2", _answered(lambda _: "guess-0000", "401", [_REFUSED])),
    _probe("other-case", "4.2", _answered(lambda secret: secret.upper(), "4xx", _BAD_REQUEST)),
    _probe("blanks-around", "4.2", _answered(lambda secret: f" {secret} ", "4xx", _BAD_REQUEST)),
    _probe("prefix", "4.2", _answered(lambda secret: secret[:-1], "4xx", _BAD_REQUEST)),
    _probe("empty", "4.2", _answered(lambda _: "", "4xx", _BAD_REQUEST)),
    _probe("array", "4.2", _answered(lambda secret: [secret], "4xx", _BAD_REQUEST)),
    _probe("object", "4.2", _answered(lambda secret: {"code": secret}, "4xx", _BAD_REQUEST)),
    _probe("number", "4.2", _answered(lambda _: 7, "4xx", _BAD_REQUEST)),
    _probe("null", "4.2", _answered(lambda _: None, "4xx", _BAD_REQUEST)),
    _probe("very-long", "4.2", _answered(lambda _: "x" * 60_000, "4xx", _BAD_REQUEST)),
    _probe("missing", "4.2", _without_code),
    _probe("malformed", "4.2", _malformed),
    _probe("audited", "4.2", _audited),
    _probe("brute-force", "4.2", _brute_force),
    _probe("factory-line", "4.2", _factory_line),
    _probe("unset", "4.2", _configured({}, [OLD_LITERAL, "", "undefined"])),
    _probe("blank", "4.2", _configured({_VARIABLE: "   "}, ["   ", "", OLD_LITERAL])),
    _probe("short", "4.2", _configured({_VARIABLE: "short"}, ["short", OLD_LITERAL])),
    _probe(
        "placeholder",
        "4.2",
        _configured(
            {_VARIABLE: "<generate-secure-random-string>"},
            ["<generate-secure-random-string>", OLD_LITERAL],
        ),
    ),
    _probe("old-literal-configured", "4.1", _configured({_VARIABLE: OLD_LITERAL}, [OLD_LITERAL])),
    Probe.of(IDENTITY, f"factory-secret.no-fallback@{IDENTITY}", "4.1", _no_fallback),
)
