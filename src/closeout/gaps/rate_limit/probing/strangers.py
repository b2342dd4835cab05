"""Sign in badly, and renew badly, at an Express service that the order does not list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial

from closeout.formats import npm
from closeout.gaps.rate_limit.detect import LOGIN_LIMIT, REFRESH_LIMIT
from closeout.gaps.rate_limit.express.callers import callers
from closeout.gaps.rate_limit.express.handlers import login_fields, refresh_fields
from closeout.gaps.rate_limit.express.routes import AuthRoute, auth_routes
from closeout.gaps.rate_limit.probing.visitors import WRONG
from closeout.harness.http import Request, ask, json_headers, judged, tally, unproven
from closeout.model import Observation, Probe, ProbeContext, Service, Tree

_LIMITED = 429
_REFUSED = frozenset({401, 403})
"""What counts as a failed attempt everywhere: whether an incomplete one does is the service's."""
_CRITERIA = {"login": "2.1", "refresh": "2.2"}
_ALLOWED = {"login": LOGIN_LIMIT, "refresh": REFRESH_LIMIT}
_BEYOND = 5


def probes_of(tree: Tree, service: Service) -> tuple[Probe, ...]:
    """Return what the sign-ins and renewals of a service are asked, none of one without any.

    What hands them on to another service of the tree is that one's caller: it is asked there.
    """
    routes = auth_routes(tree)[0]
    passing = {item.route for item in callers(tree, routes)}
    own = [
        route
        for route in routes
        if route not in passing and npm.home_of(tree, route.path) == service.folder
    ]
    return tuple(_questions(tree, service.name, own))


def _questions(tree: Tree, service: str, routes: list[AuthRoute]) -> Iterator[Probe]:
    asked: set[str] = set()
    for number, route in enumerate(routes):
        path = re.sub(r":\w+", "1", max(route.paths, key=len))
        if path in asked:
            continue
        asked.add(path)
        request = Request(
            method="POST",
            path=path,
            headers=json_headers(),
            body=json.dumps(_body(tree, route, number)).encode(),
            source=f"127.250.{number}.1",
        )
        yield Probe.of(
            service,
            f"rate-limit.bad-{route.endpoint}{path.replace('/', '.')}@{service}",
            _CRITERIA[route.endpoint],
            partial(_guessed, service, request, _ALLOWED[route.endpoint]),
        )


def _body(tree: Tree, route: AuthRoute, number: int) -> Mapping[str, str]:
    if route.endpoint == "refresh":
        return dict.fromkeys(refresh_fields(tree, route) or ("refreshToken",), "not.a.token")
    fields = login_fields(tree, route)
    account = f"stranger{number}@probe.example"
    return {**dict.fromkeys(fields.accounts, account), **dict.fromkeys(fields.secrets, WRONG)}


def _guessed(service: str, request: Request, allowed: int, context: ProbeContext) -> Observation:
    """Guess some times more than is allowed.

    Without a 429 it is open where each guess was refused as one. What else a service answers that
    stands alone here, as without its database, tells nothing.
    """
    statuses = [ask(context, service, request).status for _ in range(allowed + _BEYOND)]
    expected = f"at most {allowed} bad attempts are refused as such, then 429 for the rest"
    command, seen = request.command(service), tally(statuses)
    passed = [status for status in statuses if status != _LIMITED]
    if _LIMITED in statuses:
        limited = [_LIMITED] * (len(statuses) - len(passed))
        is_right = 0 < len(passed) <= allowed and statuses == [*passed, *limited]
        return judged(
            expected=expected, command=command, faults=[] if is_right else [seen], seen=seen
        )
    if _REFUSED.issuperset(statuses):
        return judged(expected=expected, command=command, faults=[seen], seen=seen)
    because = f"{seen}: no such answer is a refused attempt; ask it with its database and accounts"
    return unproven(expected=expected, command=command, because=because)
