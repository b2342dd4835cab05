"""Detect login and refresh routes that no effective limiter guards."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from closeout.gaps.rate_limit.express.handlers import answers_too_many
from closeout.gaps.rate_limit.express.limiters import Limiter, limiters
from closeout.gaps.rate_limit.express.routes import AuthRoute
from closeout.model import Reason, Tree, Unresolved

Demand = Callable[[tuple[Limiter, ...]], str]
"""Says what is wrong with a route's limiters, empty where nothing is."""

LOGIN_LIMIT = 5
LOGIN_WINDOW_MS = 15 * 60 * 1000
REFRESH_LIMIT = 100
REFRESH_WINDOW_MS = 60 * 1000
_LIMITER_NAME = re.compile(r"limit|throttl", re.IGNORECASE)
_OPTIONS = re.compile(r"\{.*\}", re.DOTALL)
_CHOICE = re.compile(r"\s\?\s|&&|\|\|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a route's guards amount to; without a problem and an unknown it is closed."""

    problem: str = ""
    unknown: str = ""


def login_limit(found: tuple[Limiter, ...]) -> str:
    """Return what is wrong with the login limit, empty where it is as the order wants it."""
    if not found:
        return "has no rate limiter"
    strict = [item for item in found if _allows(item, LOGIN_LIMIT)]
    if not strict:
        item = min(found, key=lambda each: each.limit or 0)
        return f"{item.name} allows {item.limit or 0:g} attempts, not {LOGIN_LIMIT}"
    if not any((item.window_ms or 0) >= LOGIN_WINDOW_MS for item in strict):
        return f"{strict[0].name} forgets after {(strict[0].window_ms or 0) / 60000:g} minutes"
    return ""


def refresh_limit(found: tuple[Limiter, ...]) -> str:
    """Return what is wrong with the refresh limit, empty where there is an effective one."""
    if not found:
        return "has no rate limiter"
    effective = (
        item
        for item in found
        if _allows(item, REFRESH_LIMIT) and (item.window_ms or 0) >= REFRESH_WINDOW_MS
    )
    return "" if any(effective) else f"{found[0].name} allows more than {REFRESH_LIMIT} attempts"


def login_key(found: tuple[Limiter, ...]) -> str:
    """Return what is wrong with the key, empty where an effective limiter counts accounts."""
    counted = [item for item in found if _allows(item, REFRESH_LIMIT)]
    if any(item.by_account for item in counted):
        return ""
    return "is limited by address alone" if counted else "counts no account's failures"


DEMANDS: tuple[tuple[str, str, str, Demand], ...] = (
    ("login-is-limited", "2.1", "login", login_limit),
    ("refresh-is-limited", "2.2", "refresh", refresh_limit),
    ("login-counts-accounts", "2.3", "login", login_key),
)
"""A rule's name, its criterion, and what it asks of the limiters before which endpoint."""


def judge(tree: Tree, route: AuthRoute, demand: Demand) -> Judgement:
    """Return whether what guards `route` meets the demand, and why not."""
    found: list[Limiter] = []
    unread = ""
    for guard in route.guards:
        reached = limiters(tree, guard.path, guard.text)
        if reached and (guard.is_conditional or _CHOICE.search(guard.text)):
            unread = unread or guard.text
            continue
        found += [item for item in reached if not item.is_skipped]
        is_unread = not reached and _LIMITER_NAME.search(_OPTIONS.sub("", guard.text))
        unread = unread or (guard.text if is_unread else "")
        unread = unread or next((item.name for item in reached if item.limit is None), "")
    problem = demand(tuple(found))
    if problem and not unread and answers_too_many(tree, route):
        return Judgement(unknown="whether the handler's own limit holds cannot be read")
    if problem and unread:
        return Judgement(unknown=f"what {unread[:60]} allows cannot be read from the code")
    return Judgement(problem=problem)


def unread_limiter(route: AuthRoute, detail: str) -> Unresolved:
    """Return a place whose limiter only a running service can judge."""
    return Unresolved(
        path=route.path,
        reason=Reason.AMBIGUOUS,
        line=route.call.place.line,
        detail=detail,
        hint="write the limit and the window as constants, or let the live probes judge.",
    )


def _allows(item: Limiter, most: int) -> bool:
    return item.limit is not None and 0 < item.limit <= most
