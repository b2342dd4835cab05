"""Detect login and refresh routes that no effective limiter guards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from closeout.formats import npm
from closeout.formats.deployed import environments
from closeout.fs.once import once
from closeout.gaps.rate_limit.express.handlers import answers_too_many
from closeout.gaps.rate_limit.express.limiters import Limiter, limiters
from closeout.gaps.rate_limit.express.mounts import Guard
from closeout.gaps.rate_limit.express.routes import NAMED, AuthRoute
from closeout.harness.service_discovery import EXPRESS, roster
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.typescript import expression
from closeout.parsing.typescript_expressions import bare

Demand = Callable[[tuple[Limiter, ...]], str]
"""Says what is wrong with a route's limiters, empty where nothing is."""

IDENTITY = NAMED.parents[2].name
GATEWAY = "cloud-api-gateway-bff"
"""What browsers sign in through: it calls the service that knows their accounts."""

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
LOGIN_LIMIT = 5
LOGIN_WINDOW_MS = 15 * 60 * 1000
REFRESH_LIMIT = 100
REFRESH_WINDOW_MS = 60 * 1000
_LIMITER_NAME = re.compile(r"limit|throttl", re.IGNORECASE)
_OPTIONS = re.compile(r"\{.*\}", re.DOTALL)
_CHOICES = frozenset({"binary_expression", "ternary_expression"})

_Passed = tuple[Guard, tuple[Limiter, ...]]
"""A guard of a route, and the limiters that it leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a route's guards amount to; without a problem and an unknown it is closed."""

    problem: str = ""
    unknown: str = ""


def _login_key(found: tuple[Limiter, ...]) -> str:
    """Return what is wrong with the key, empty where an effective limiter counts accounts."""
    counted = [item for item in found if not item.flaw and _allows(item, REFRESH_LIMIT)]
    if any(item.by_account for item in counted):
        return ""
    return "is limited by address alone" if counted else "counts no account's failures"


def _shortfall(found: tuple[Limiter, ...], most: int, window_ms: int) -> str:
    if not found:
        return "has no rate limiter"
    working = [item for item in found if not item.flaw]
    if not working:
        return f"has {found[0].name}, which {found[0].flaw}"
    strict = [item for item in working if _allows(item, most)]
    if not strict:
        item = min(working, key=lambda each: each.limit or 0)
        return f"has {item.name}, which allows {item.limit or 0:g} attempts, not {most}"
    if any((item.window_ms or 0) >= window_ms for item in strict):
        return ""
    kept = (strict[0].window_ms or 0) / 1000
    plural = "" if kept == 1 else "s"
    return (
        f"has {strict[0].name}, which forgets after {kept:g} second{plural}, "
        f"not {window_ms // 1000}"
    )


_login_limit = partial(_shortfall, most=LOGIN_LIMIT, window_ms=LOGIN_WINDOW_MS)
_refresh_limit = partial(_shortfall, most=REFRESH_LIMIT, window_ms=REFRESH_WINDOW_MS)

DEMANDS: tuple[tuple[str, str, str, Demand], ...] = (
    ("login-is-limited", "2.1", "login", _login_limit),
    ("refresh-is-limited", "2.2", "refresh", _refresh_limit),
    ("login-counts-accounts", "2.3", "login", _login_key),
)
"""A rule's name, its criterion, and what it asks of the limiters before which endpoint."""


_ASKED: Mapping[Demand, tuple[tuple[str, ...], str]] = {
    _login_limit: (("sixth-bad-login", "the-429", "as-deployed"), "sixth-bad-login"),
    _refresh_limit: (("refresh-limited", "refresh-guesses"), "refresh-limited"),
    _login_key: (("rotating-addresses", "other-account-free"), "other-account-free"),
}
"""By what the order's service is asked whether a demand is met, and what asks another."""


@once
def judge(tree: Tree, route: AuthRoute, demand: Demand) -> Judgement:
    """Return whether what guards `route` meets the demand wherever it runs, and why not."""
    passed = _passed(tree, route, {})
    judged = _judged(tree, route, demand, passed)
    if judged.problem:
        return judged
    asked = {name for _, reached in passed for item in reached for name in item.variables}
    service = npm.service_of(tree, route.path) if asked else None
    for deployed in environments(tree, service) if service is not None else ():
        given = {name: text for name, text in deployed.variables.items() if name in asked}
        there = _judged(tree, route, demand, _passed(tree, route, given)) if given else judged
        if there.problem:
            return Judgement(problem=f"{there.problem}, where {deployed.source} sets it")
    return judged


def _passed(tree: Tree, route: AuthRoute, given: Mapping[str, str]) -> list[_Passed]:
    return [(guard, limiters(tree, guard.path, guard.text, given)) for guard in route.guards]


def _judged(tree: Tree, route: AuthRoute, demand: Demand, passed: list[_Passed]) -> Judgement:
    found: list[Limiter] = []
    unread = ""
    for guard, reached in passed:
        if reached and (guard.is_conditional or _is_choice(guard.text)):
            unread = unread or guard.text
            continue
        found += reached
        is_unread = not reached and _LIMITER_NAME.search(_OPTIONS.sub("", guard.text))
        unread = unread or (guard.text if is_unread else "")
        unread = unread or next((item.name for item in reached if item.limit is None), "")
    problem = demand(tuple(found))
    if problem and not unread and answers_too_many(tree, route):
        return Judgement(unknown="whether the handler's own limit holds cannot be read")
    if problem and unread:
        return Judgement(unknown=f"what {unread[:60]} allows cannot be read from the code")
    return Judgement(problem=problem)


def _is_choice(text: str) -> bool:
    """Return whether the guard is one of two, or there only under a condition."""
    waiting = [expression(text.strip(". "))]
    while waiting:
        node = bare(waiting.pop())
        if node.type in _CHOICES:
            return True
        waiting += node.named_children if node.type == "array" else ()
    return False


def unread_limiter(tree: Tree, route: AuthRoute, demand: Demand, detail: str) -> Unresolved:
    """Return a place whose limiter only a running service can judge, and what asks it there."""
    probes, elsewhere = _ASKED[demand]
    asked = [
        item.name
        for item in roster(tree).values()
        if item.kind == EXPRESS and npm.is_of(tree, route.path, item.folder)
    ]
    if IDENTITY not in {*asked, *route.path.parts}:
        probes = tuple(f"{elsewhere}@{name}{route.address}" for name in asked)
    elif (LOGIN if route.endpoint == "login" else REFRESH) not in route.paths:
        probes = ()
    return Unresolved(
        path=route.path,
        reason=Reason.AMBIGUOUS,
        line=route.call.place.line,
        detail=detail,
        hint="write the limit and the window as constants, or let the live probes judge.",
        probes=tuple(f"rate-limit.{name}" for name in probes),
    )


def _allows(item: Limiter, most: int) -> bool:
    return item.limit is not None and 0 < item.limit <= most
