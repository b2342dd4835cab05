"""Sign in badly, and renew badly, at an Express service that the order does not list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from closeout.formats import npm
from closeout.gaps.rate_limit.detect import LOGIN_LIMIT, REFRESH_LIMIT
from closeout.gaps.rate_limit.express.callers import callers
from closeout.gaps.rate_limit.express.handlers import login_fields, refresh_fields
from closeout.gaps.rate_limit.express.routes import AuthRoute, auth_routes
from closeout.gaps.rate_limit.probing.visitors import LIMITED, REFUSED, WRONG, posted
from closeout.harness.http import Request, ask, judged, tally, unproven
from closeout.harness.service_discovery import EXPRESS
from closeout.model import Observation, Probe, ProbeContext, Service, Tree

_REFUSED = frozenset({REFUSED, 403})
"""What counts as a failed attempt everywhere: whether an incomplete one does is the service's."""
_BEYOND = 5
_BAD_LOGINS = (("sixth-bad-login", "2.1"), ("ten-bad-logins", "M.2"))
"""As the order's own probes are called: checkboxes of a team's order are tied to these names."""


def probes_of(tree: Tree, service: Service) -> tuple[Probe, ...]:
    """Return what the sign-ins and renewals of a service are asked, none of one without any.

    What hands them on to another service of the tree is that one's caller: it is asked there.
    """
    if service.kind != EXPRESS:
        return ()
    routes = auth_routes(tree)[0]
    passing = {item.route for item in callers(tree, routes)}
    own = [
        route
        for route in routes
        if route not in passing and npm.is_of(tree, route.path, service.folder)
    ]
    return tuple(_questions(tree, service.name, own))


def _questions(tree: Tree, service: str, routes: list[AuthRoute]) -> Iterator[Probe]:
    asked: set[str] = set()
    for number, route in enumerate(routes):
        path = route.address
        if path in asked:
            continue
        asked.add(path)
        place = f"@{service}{path}"
        if route.endpoint == "refresh":
            tokens = refresh_fields(tree, route) or ("refreshToken",)
            bad = posted(path, dict.fromkeys(tokens, "not.a.token"), f"127.250.{number}.3")
            run = partial(_guessed, service, bad, REFRESH_LIMIT)
            yield Probe.of(service, f"rate-limit.refresh-limited{place}", "2.2", run)
            continue
        fields = login_fields(tree, route)
        for host, (name, criterion) in enumerate(_BAD_LOGINS):
            bad = posted(path, _bad(fields, f"{name}{number}"), f"127.250.{number}.{host}")
            run = partial(_guessed, service, bad, LOGIN_LIMIT)
            yield Probe.of(service, f"rate-limit.{name}{place}", criterion, run)
        one, other = (
            posted(path, _bad(fields, f"{name}{number}"), f"127.250.{number}.2")
            for name in ("attacked", "neighbour")
        )
        run = partial(_guessed, service, one, LOGIN_LIMIT, other=other)
        yield Probe.of(service, f"rate-limit.other-account-free{place}", "2.3", run)


def _bad(fields: tuple[tuple[str, ...], tuple[str, ...]], name: str) -> Mapping[str, str]:
    accounts, secrets = fields
    return {**dict.fromkeys(accounts, f"{name}@probe.example"), **dict.fromkeys(secrets, WRONG)}


def _guessed(
    service: str,
    request: Request,
    allowed: int,
    context: ProbeContext,
    other: Request | None = None,
) -> Observation:
    """Guess some times more than is allowed; then once for an `other` account.

    Without a 429 it is open where each guess was refused as one. What else a service answers that
    stands alone here, as without its database, tells nothing.
    """
    statuses = [ask(context, service, request).status for _ in range(allowed + _BEYOND)]
    expected = f"at most {allowed} bad attempts are refused as such, then 429 for the rest"
    command, seen = request.command(service), tally(statuses)
    passed = [status for status in statuses if status != LIMITED]
    if LIMITED not in statuses and not _REFUSED.issuperset(statuses):
        because = (
            f"{seen}: no such answer is a refused attempt; ask it with its database and accounts"
        )
        return unproven(expected=expected, command=command, because=because)
    limited = [LIMITED] * (len(statuses) - len(passed))
    is_right = limited and 0 < len(passed) <= allowed and statuses == [*passed, *limited]
    faults = [] if is_right else [seen]
    if other is not None:
        expected += ", and another account at that address is none of them"
        neighbour = ask(context, service, other).status
        seen += f"; another account {neighbour}"
        faults += [f"another account: {neighbour}"] if neighbour == LIMITED else []
    return judged(expected=expected, command=command, faults=faults, seen=seen)
