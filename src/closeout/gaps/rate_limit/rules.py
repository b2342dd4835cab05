"""How often a sign-in and a renewal may fail, and what limiters need: the rules of 2.1 to 2.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.formats import npm, unparsable
from closeout.gaps.rate_limit.detect import DEMANDS, Demand, judge, unread_limiter
from closeout.gaps.rate_limit.express.assertions import limited_assertions
from closeout.gaps.rate_limit.express.callers import Caller, callers, unforwarded
from closeout.gaps.rate_limit.express.existing import unused_limiter
from closeout.gaps.rate_limit.express.handlers import renews_tokens, template_values
from closeout.gaps.rate_limit.express.modules import MODULES, misread
from closeout.gaps.rate_limit.express.routes import (
    MAY_RENEW,
    MAY_SIGN_IN,
    NAMED,
    AuthRoute,
    auth_routes,
)
from closeout.gaps.rate_limit.fastapi.callers import python_callers
from closeout.gaps.rate_limit.reverse_proxies import reverse_proxies
from closeout.gaps.rate_limit.wiring import DELIVERY, HOPS
from closeout.model import Located, Place, Rule, Subject, Tree, Unresolved
from closeout.parsing import lost_imports
from closeout.parsing.node_sources import readers


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The tree's auth routes, and the services among theirs that read our limiters' settings."""

    tree: Tree
    routes: tuple[AuthRoute, ...]
    broken: tuple[Unresolved, ...]
    limited: frozenset[PurePosixPath]
    callers: tuple[Caller, ...]
    """What hands sign-ins on to another service of the tree; its own routes are limited there."""

    @property
    def called(self) -> Mapping[PurePosixPath, int]:
        """Return the services that a gateway of the tree calls with the client's address.

        Each with the proxies before it: those of its longest way.
        """
        found: dict[PurePosixPath, int] = {}
        for item in self.callers:
            if item.forwards or item.splices:
                found[item.target] = max(item.hops, found.get(item.target, 0))
        return found


def survey(tree: Tree) -> Survey:
    """Return every route that signs users in or renews their tokens."""
    found, broken = auth_routes(tree)
    routes = tuple(
        route for route in found if route.endpoint != "refresh" or renews_tokens(tree, route)
    )
    known = frozenset(npm.home_of(tree, route.path) for route in routes)
    handing = callers(tree, routes)
    passed_on = {
        item.route
        for item in handing
        if item.route is not None and unused_limiter(tree, item.folder) is None
    }
    own = [route for route in routes if route not in {item.route for item in handing}]
    handing = (*handing, *python_callers(tree, own))
    signing = {npm.service_of(tree, route.path) or route.path.parent for route in own}
    return Survey(
        tree=tree,
        routes=tuple(route for route in routes if route not in passed_on),
        broken=broken,
        limited=readers(tree, known, HOPS),
        callers=(*handing, *reverse_proxies(tree, handing, signing)),
    )


def _limited(endpoint: str, demand: Demand, seen: Survey) -> Located:
    routes = [route for route in seen.routes if route.endpoint == endpoint]
    judged = [(route, judge(seen.tree, route, demand)) for route in routes]
    return Located(
        examined=tuple(sorted({route.path for route in routes})),
        places=tuple(
            Place(
                path=route.path,
                line=route.call.place.line,
                message=f"POST /{endpoint} {found.problem}",
                excerpt=route.call.place.text.splitlines()[0],
            )
            for route, found in judged
            if found.problem
        ),
        unresolved=(
            *seen.broken,
            *(
                unread_limiter(seen.tree, route, demand, found.unknown)
                for route, found in judged
                if found.unknown
            ),
        ),
    )


def _handed_on(seen: Survey) -> Located:
    asked = (seen.tree, seen.limited)
    return Located(
        examined=tuple(sorted({*DELIVERY.compose_files(*asked), *DELIVERY.charts(*asked)})),
        places=tuple(
            Place(
                path=item.path,
                line=item.line,
                message=f"{item.folder.name} is not handed {' and '.join(item.names)}",
                excerpt=item.folder.name,
                named=item.folder == NAMED.parents[2],
            )
            for item in DELIVERY.undelivered(*asked)
        ),
    )


def _forwarding(seen: Survey) -> Located:
    """Locate what hands sign-ins on without saying whose they are."""
    silent = [item for item in seen.callers if not item.forwards]
    return Located(
        examined=tuple(sorted({item.path for item in seen.callers})),
        places=tuple(
            Place(
                path=item.path,
                line=item.line,
                message=f"{item.target.name} is not told the client's address: to its limiter "
                "all users are one",
                excerpt=item.excerpt,
            )
            for item in silent
            if item.splices
        ),
        unresolved=tuple(unforwarded(item) for item in silent if not item.splices),
    )


def _fields(seen: Survey) -> Located:
    """Locate our limiters that read other fields than the service's own handlers do."""
    services: dict[PurePosixPath, list[AuthRoute]] = {}
    for route in seen.routes:
        service = npm.service_of(seen.tree, route.path)
        if service in seen.limited:
            services.setdefault(service, []).append(route)
    found = tuple(
        path
        for service in sorted(services)
        for path, _ in misread(seen.tree, service, template_values(seen.tree, services[service]))
    )
    places = tuple(Place(path=path, excerpt=path.name) for path in found)
    return Located(examined=found, places=places)


_LOST = lost_imports.of(*MODULES)

SUBJECTS = (
    Subject(
        what="route that signs users in",
        criteria=("2.1", "2.3", "M.2"),
        is_in=lambda tree: bool(tree.candidates(MAY_SIGN_IN)),
    ),
    Subject(
        what="route that renews tokens",
        criteria=("2.2",),
        is_in=lambda tree: bool(tree.candidates(MAY_RENEW)),
    ),
)

RULES = (
    *(
        Rule(
            id=name,
            criterion=number,
            locate=partial(_limited, endpoint, demand),
            named=(NAMED,),
            reads=(_LOST,),
        )
        for name, number, endpoint, demand in DEMANDS
    ),
    Rule(
        id="assertion-is-limited",
        criterion="2.1",
        locate=lambda seen: limited_assertions(seen.tree),
        is_optional=True,
    ),
    Rule(id="gateway-forwards-the-address", criterion="2.3", locate=_forwarding, is_optional=True),
    Rule(
        id="limiter-gets-its-settings",
        criterion="2.1",
        locate=_handed_on,
        is_optional=True,
        reads=(unparsable.compose_files, unparsable.chart_values),
    ),
    Rule(
        id="limiter-reads-the-fields",
        criterion="2.1",
        locate=_fields,
        message="the limiter reads other fields of the body than the handler does",
        is_optional=True,
    ),
)
