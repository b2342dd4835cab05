"""Put limiters before the login and refresh routes that have none that works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.fs.text_edit import Splice, all_spliced
from closeout.gaps.rate_limit.detect import DEMANDS, judge, unread_limiter
from closeout.gaps.rate_limit.express.answers import mistaken
from closeout.gaps.rate_limit.express.callers import unforwarded
from closeout.gaps.rate_limit.express.existing import (
    UnusedLimiter,
    strengthened,
    told_of_proxies,
    unused_limiter,
)
from closeout.gaps.rate_limit.express.handlers import template_values
from closeout.gaps.rate_limit.express.modules import free_module, misread, written
from closeout.gaps.rate_limit.express.placement import mounted, names, obstacles
from closeout.gaps.rate_limit.express.routes import AuthRoute
from closeout.gaps.rate_limit.reverse_proxies import reached_beside
from closeout.gaps.rate_limit.rules import Survey, survey
from closeout.gaps.rate_limit.wiring import PROXIES, chart_hops, delivery, in_cluster
from closeout.model import Changeset, Edit, Tree, Unresolved
from closeout.parsing.typescript_language import language
from closeout.resources import render


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A service's routes that are still open, its callers' splices, and what is left alone."""

    routes: list[AuthRoute]
    told: dict[PurePosixPath, list[Splice]]
    left: list[Unresolved]


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset a service with an auth route that is still open, and one for compose."""
    seen = survey(tree)
    services: dict[PurePosixPath, _Open] = {}
    for item in seen.broken:
        _at(services, tree, item.path).left.append(item)
    for route in seen.routes:
        here = _at(services, tree, route.path)
        asked = [demand for _, _, endpoint, demand in DEMANDS if endpoint == route.endpoint]
        judged = [(demand, judge(tree, route, demand)) for demand in asked]
        unknown = next((item for item in judged if item[1].unknown), None)
        if unknown is not None:
            here.left.append(unread_limiter(tree, route, unknown[0], unknown[1].unknown))
        elif any(item.problem for _, item in judged):
            here.routes.append(route)
    for caller in seen.callers:
        here = _at(services, tree, caller.path)
        here.left.extend(() if caller.forwards or caller.splices else (unforwarded(caller),))
        for path, change in caller.splices:
            if change not in here.told.setdefault(path, []):
                here.told[path].append(change)
    made = {item: _changeset(tree, seen, item, services[item]) for item in sorted(services)}
    mended = {item for item, change in made.items() if change.edits and services[item].routes}
    changes = [*made.values()]
    settled = seen.limited - mended
    for service in sorted(settled):
        of_service = [route for route in seen.routes if service in route.path.parents]
        changes.append(_settled(tree, seen, service, of_service))
    limiting = tuple(item for item in seen.callers if item.target in mended)
    behind = {folder: hops for folder, hops in seen.called.items() if folder in mended}
    told = tuple(dict.fromkeys((*mistaken(tree, limiting), *reached_beside(tree, behind))))
    changes.append(Changeset(name="told", edits=(), unresolved=told))
    kept = {service: _kept(tree, seen, service) for service in mended}
    ours = {service for service, limiter in kept.items() if limiter is None}
    counting = frozenset(
        npm.home_of(tree, limiter.path)
        for limiter in kept.values()
        if limiter is not None and _proxies_told(tree, limiter)[1]
    )
    reaching = delivery(seen.called, counting=counting)
    wiring = tuple(reaching.compose_edits(tree, ours | settled | counting))
    if wiring:
        changes.append(Changeset(name="compose", edits=wiring))
    return tuple(change for change in changes if change.edits or change.unresolved)


def _settings(tree: Tree, seen: Survey, service: PurePosixPath) -> Iterator[Edit]:
    gateways = {item.folder for item in seen.callers if item.target == service}
    told = {item: hops for item, hops in seen.called.items() if item == service}
    given = delivery(told, chart_hops(tree, gateways))
    yield from given.example_edits(tree, [service])
    yield from given.chart_edits(tree, [service])


def _settled(
    tree: Tree, seen: Survey, service: PurePosixPath, routes: list[AuthRoute]
) -> Changeset:
    """Return what limiters that are in place still lack: settings, and the handler's own fields."""
    edits = list(_settings(tree, seen, service))
    for path, after in misread(tree, service, template_values(tree, routes)):
        edits.append(Edit.of(tree, path, after))
    return Changeset(name=f"{service.name}-settings", edits=tuple(edits))


def _at(services: dict[PurePosixPath, _Open], tree: Tree, path: PurePosixPath) -> _Open:
    return services.setdefault(npm.home_of(tree, path), _Open(routes=[], told={}, left=[]))


def _changeset(tree: Tree, seen: Survey, service: PurePosixPath, here: _Open) -> Changeset:
    limited = _Limited()
    if here.routes and (kept := _kept(tree, seen, service)) is not None:
        limited = _theirs(tree, seen, here.routes, kept)
    elif here.routes:
        limited = _ours(tree, seen, service, here.routes)
    splices = {path: list(items) for path, items in here.told.items()}
    for path, items in limited.splices.items():
        splices.setdefault(path, []).extend(items)
    return Changeset(
        name=service.name or "routes",
        edits=(*limited.edits, *all_spliced(tree, splices)),
        unresolved=(*here.left, *limited.unresolved),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limited:
    """What puts limiters before a service's routes, or why nothing does."""

    splices: Mapping[PurePosixPath, list[Splice]] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()


def _kept(tree: Tree, seen: Survey, service: PurePosixPath) -> UnusedLimiter | None:
    """Return the service's own unused limiter, where ours is not to be had or not needed.

    That is where another major of the library is there, and where the service that is called
    limits as ours does.
    """
    is_handing = any(item.folder == service and item.route is not None for item in seen.callers)
    if not is_handing and not npm.add(tree, service, _wanted())[1]:
        return None
    return unused_limiter(tree, service)


def _wanted() -> npm.Dependencies:
    return npm.dependencies(render("rate-limit/npm.json.j2", {}))


def _ours(tree: Tree, seen: Survey, service: PurePosixPath, routes: list[AuthRoute]) -> _Limited:
    spoken = language(tree, service, [route.path for route in routes])
    module = None if spoken is None else free_module(tree, service, spoken)
    edits, problems = npm.add(tree, service, _wanted())
    problems += tuple(obstacles(tree, service, routes, spoken, module))
    if problems or module is None or spoken is None:
        return _Limited(unresolved=problems)
    splices = {}
    for path, content, here in _by_router(tree, routes):
        splices[path] = mounted(tree, here, names(content, here), module, spoken)
    silent = [item for item in seen.callers if not item.forwards and not item.splices]
    values = {
        **template_values(tree, routes),
        "shares_address": any(item.target == service for item in silent),
    }
    new = (*written(tree, module, spoken, values), *_settings(tree, seen, service))
    return _Limited(splices=splices, edits=(*edits, *new))


def _theirs(tree: Tree, seen: Survey, routes: list[AuthRoute], kept: UnusedLimiter) -> _Limited:
    """Mount the limiter that the service exports and does not use, once it is strict enough."""
    spoken = language(tree, kept.path.parent, [route.path for route in routes])
    if spoken is None:
        service = kept.path.parent
        return _Limited(unresolved=tuple(obstacles(tree, service, routes, None, None)))
    handed = {item.target for item in seen.callers if item.route in routes}
    upstream = [item for item in seen.routes if npm.service_of(tree, item.path) in handed]
    read = template_values(tree, upstream or routes)
    fields = (*read["accounts"], *read["tokens"])
    splices = {kept.path: list(strengthened(tree, kept, fields))}
    for path, _, here in _by_router(tree, routes):
        called = {route.endpoint: (kept.name, kept.name) for route in here}
        made = mounted(tree, here, called, kept.path, spoken)
        splices.setdefault(path, []).extend(made)
    before, told = _proxies_told(tree, kept)
    for path, change in told:
        splices.setdefault(path, []).append(change)
    home = npm.home_of(tree, kept.path)
    charts = in_cluster(before).chart_edits(tree, [home]) if told else ()
    return _Limited(splices=splices, edits=tuple(charts))


def _proxies_told(
    tree: Tree, kept: UnusedLimiter
) -> tuple[int, list[tuple[PurePosixPath, Splice]]]:
    """Return how many proxies a cluster has before the limiter's service, and what it is told."""
    service = npm.home_of(tree, kept.path)
    before = chart_hops(tree, [service]) - 1
    return before, list(told_of_proxies(tree, service, PROXIES)) if before else []


def _by_router(
    tree: Tree, routes: list[AuthRoute]
) -> Iterator[tuple[PurePosixPath, bytes, list[AuthRoute]]]:
    for path in sorted({route.path for route in routes}):
        yield path, tree.read(path) or b"", [route for route in routes if route.path == path]
