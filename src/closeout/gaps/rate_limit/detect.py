"""Detect login and refresh routes that no effective limiter guards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.formats.settings_delivery import Undelivered
from closeout.gaps.rate_limit.express.handlers import answers_too_many, template_values
from closeout.gaps.rate_limit.express.limiters import Limiter, limiters
from closeout.gaps.rate_limit.express.modules import misread
from closeout.gaps.rate_limit.express.routes import NAMED, AuthRoute, auth_routes
from closeout.gaps.rate_limit.wiring import DELIVERY, HOPS
from closeout.model import Check, Finding, Reason, Tree, Unresolved
from closeout.parsing.node_sources import readers

GAP = "rate-limit"
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

    @property
    def is_closed(self) -> bool:
        """Return whether nothing is left to do for this rule."""
        return not self.problem and not self.unknown


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return one check for the login limit, the refresh limit and the login key."""
    routes, broken = auth_routes(tree)
    checks = tuple(
        _check(tree, rule, [item for item in routes if item.endpoint == rule.endpoint], broken)
        for rule in RULES
    )
    return (*checks, *_settings(tree, routes), *_fields(tree, routes))


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


def judge(tree: Tree, route: AuthRoute, rule: Rule) -> Judgement:
    """Return whether `route` meets `rule`, and why not."""
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
    problem = rule.judge(tuple(found))
    if problem and not unread and answers_too_many(tree, route):
        return Judgement(unknown="whether the handler's own limit holds cannot be read")
    if problem and unread:
        return Judgement(unknown=f"what {unread[:60]} allows cannot be read from the code")
    return Judgement(problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One criterion put to the routes of one endpoint."""

    name: str
    criterion: str
    endpoint: str
    judge: Callable[[tuple[Limiter, ...]], str]


RULES = (
    Rule(name="login-is-limited", criterion="2.1", endpoint="login", judge=login_limit),
    Rule(name="refresh-is-limited", criterion="2.2", endpoint="refresh", judge=refresh_limit),
    Rule(name="login-counts-accounts", criterion="2.3", endpoint="login", judge=login_key),
)


def _check(
    tree: Tree, rule: Rule, routes: list[AuthRoute], broken: tuple[Unresolved, ...]
) -> Check:
    findings: list[Finding] = []
    unresolved = list(broken)
    for route in routes:
        judgement = judge(tree, route, rule)
        if judgement.problem:
            findings.append(_finding(rule, route, judgement.problem))
        elif judgement.unknown:
            unresolved.append(unread_limiter(route, judgement.unknown))
    return Check(
        rule=rule.name,
        criterion=rule.criterion,
        examined=tuple(sorted({route.path for route in routes})),
        findings=tuple(findings),
        unresolved=tuple(unresolved),
    )


def _settings(tree: Tree, routes: tuple[AuthRoute, ...]) -> Iterator[Check]:
    """Yield the check that limited services are handed their settings, where a file could."""
    known = frozenset(npm.service_of(tree, route.path) or route.path.parent for route in routes)
    services = readers(tree, known, HOPS)
    files = {*DELIVERY.compose_files(tree, services), *DELIVERY.charts(tree, services)}
    if files:
        yield Check(
            rule="limiter-gets-its-settings",
            criterion="2.1",
            examined=tuple(sorted(files)),
            findings=tuple(_unwired(item) for item in DELIVERY.undelivered(tree, services)),
        )


def _fields(tree: Tree, routes: tuple[AuthRoute, ...]) -> Iterator[Check]:
    """Yield the check that our limiters read the fields that the service's handlers read."""
    services: dict[PurePosixPath, list[AuthRoute]] = {}
    for route in routes:
        service = npm.service_of(tree, route.path)
        if service is not None:
            services.setdefault(service, []).append(route)
    for service in readers(tree, frozenset(services), HOPS):
        misreading = tuple(misread(tree, service, template_values(tree, services[service])))
        if misreading:
            yield Check(
                rule="limiter-reads-the-fields",
                criterion="2.1",
                examined=tuple(path for path, _, _ in misreading),
                findings=tuple(_misread(path) for path, _, _ in misreading),
            )


def _misread(path: PurePosixPath) -> Finding:
    return Finding(
        gap=GAP,
        rule="limiter-reads-the-fields",
        criterion="2.1",
        path=path,
        line=1,
        message="the limiter reads other fields of the body than the handler does",
        excerpt=path.name,
        named=False,
    )


def _unwired(item: Undelivered) -> Finding:
    return Finding(
        gap=GAP,
        rule="limiter-gets-its-settings",
        criterion="2.1",
        path=item.path,
        line=item.line,
        message=f"{item.folder.name} is not handed {' and '.join(item.names)}",
        excerpt=item.folder.name,
        named=item.folder == NAMED.parents[2],
    )


def unread_limiter(route: AuthRoute, detail: str) -> Unresolved:
    """Return a place whose limiter only a running service can judge."""
    return Unresolved(
        path=route.path,
        reason=Reason.AMBIGUOUS,
        line=route.call.place.line,
        detail=detail,
        hint="write the limit and the window as constants, or let the live probes judge.",
    )


def _finding(rule: Rule, route: AuthRoute, problem: str) -> Finding:
    return Finding(
        gap=GAP,
        rule=rule.name,
        criterion=rule.criterion,
        path=route.path,
        line=route.call.place.line,
        message=f"POST /{route.endpoint} {problem}",
        excerpt=route.call.place.text.splitlines()[0],
        named=route.path == NAMED,
    )


def _allows(item: Limiter, most: int) -> bool:
    return item.limit is not None and 0 < item.limit <= most
