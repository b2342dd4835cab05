"""Put limiters before the login and refresh routes that have none that works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.fs.text_edit import splice
from closeout.gaps.rate_limit.detect import DEMANDS, judge, unread_limiter
from closeout.gaps.rate_limit.express.handlers import template_values
from closeout.gaps.rate_limit.express.modules import free_module, misread, written
from closeout.gaps.rate_limit.express.placement import guarded, imported, obstacles
from closeout.gaps.rate_limit.express.routes import AuthRoute
from closeout.gaps.rate_limit.rules import survey
from closeout.gaps.rate_limit.wiring import DELIVERY
from closeout.model import Changeset, Edit, Tree, Unresolved
from closeout.parsing.typescript_language import Language, language
from closeout.resources import render


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A service's routes that are still open, and its places that are left alone."""

    routes: list[AuthRoute]
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
        judged = [judge(tree, route, demand) for demand in asked]
        unknown = next((item.unknown for item in judged if item.unknown), "")
        if unknown:
            here.left.append(unread_limiter(route, unknown))
        elif any(item.problem for item in judged):
            here.routes.append(route)
    changes = [_changeset(tree, service, services[service]) for service in sorted(services)]
    pairs = zip(sorted(services), changes, strict=True)
    mended = {service for service, change in pairs if change.edits}
    settled = seen.limited - mended
    for service in sorted(settled):
        of_service = [route for route in seen.routes if service in route.path.parents]
        changes.append(_settled(tree, service, of_service))
    wiring = tuple(DELIVERY.compose_edits(tree, mended | settled))
    if wiring:
        changes.append(Changeset(name="compose", edits=wiring))
    return tuple(change for change in changes if change.edits or change.unresolved)


def _settled(tree: Tree, service: PurePosixPath, routes: list[AuthRoute]) -> Changeset:
    """Return what limiters that are in place still lack: settings, and the handler's own fields."""
    edits = [*DELIVERY.example_edits(tree, [service]), *DELIVERY.chart_edits(tree, [service])]
    for path, content, after in misread(tree, service, template_values(tree, routes)):
        edits.append(Edit(path=path, before=content, after=after, mode=tree.mode(path)))
    return Changeset(name=f"{service.name}-settings", edits=tuple(edits))


def _at(services: dict[PurePosixPath, _Open], tree: Tree, path: PurePosixPath) -> _Open:
    service = npm.service_of(tree, path) or path.parent
    return services.setdefault(service, _Open(routes=[], left=[]))


def _changeset(tree: Tree, service: PurePosixPath, here: _Open) -> Changeset:
    name = service.name or "routes"
    left = list(here.left)
    edits: list[Edit] = []
    if here.routes:
        spoken = language(tree, service, [route.path for route in here.routes])
        module = None if spoken is None else free_module(tree, service, spoken)
        wanted = npm.dependencies(render("rate-limit/npm.json.j2", {}))
        dependency_edits, problems = npm.add(tree, service, wanted)
        problems += tuple(obstacles(tree, here.routes, spoken, module))
        if problems or module is None or spoken is None:
            return Changeset(name=name, edits=(), unresolved=(*left, *problems))
        edits += dependency_edits
        edits += _routers(tree, here.routes, module, spoken)
        edits += written(tree, module, spoken, template_values(tree, here.routes))
        edits += DELIVERY.example_edits(tree, [service])
        edits += DELIVERY.chart_edits(tree, [service])
    return Changeset(name=name, edits=tuple(edits), unresolved=tuple(left))


def _routers(
    tree: Tree, routes: list[AuthRoute], module: PurePosixPath, spoken: Language
) -> Iterator[Edit]:
    for path in sorted({route.path for route in routes}):
        content = tree.read(path) or b""
        here = [route for route in routes if route.path == path]
        splices = [imported(content, here, module, spoken)]
        splices += [guarded(tree, content, route) for route in here]
        yield Edit(path=path, before=content, after=splice(content, splices), mode=tree.mode(path))
