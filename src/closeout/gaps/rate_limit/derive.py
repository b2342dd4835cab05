"""Put limiters before the login and refresh routes that have none that works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout import npm
from closeout.anchors import typescript
from closeout.anchors import typescript_imports as imports
from closeout.gaps.rate_limit.detect import RULES, judge, unread_limiter
from closeout.gaps.rate_limit.routes import AuthRoute, auth_routes
from closeout.model import Changeset, Edit, Reason, Unresolved
from closeout.rendering import render
from closeout.splicing import Splice, indentation, splice
from closeout.tree import Tree

LIMITERS = {"login": "loginRateLimiter", "refresh": "refreshRateLimiter"}
_MODULES = ("authRateLimiter", "authAttemptLimiter")
_STORE = "authFailureStore"
_FOLDERS = ("src/middleware", "src/middlewares")


def derive(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset a service with an auth route that is still open."""
    routes, broken = auth_routes(tree)
    still_open: dict[PurePosixPath, list[AuthRoute]] = {}
    unresolved: dict[PurePosixPath, list[Unresolved]] = {}
    for item in broken:
        unresolved.setdefault(_service(tree, item.path), []).append(item)
    for route in routes:
        service = _service(tree, route.path)
        judged = [judge(tree, route, rule) for rule in RULES if rule.endpoint == route.endpoint]
        unknown = next((item.unknown for item in judged if item.unknown), "")
        if unknown:
            unresolved.setdefault(service, []).append(unread_limiter(route, unknown))
        elif any(item.problem for item in judged):
            still_open.setdefault(service, []).append(route)
    return tuple(
        _changeset(tree, service, still_open.get(service, []), unresolved.get(service, []))
        for service in sorted({*still_open, *unresolved})
    )


def _service(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    return npm.service_of(tree, path) or path.parent


def _changeset(
    tree: Tree, service: PurePosixPath, routes: list[AuthRoute], unresolved: list[Unresolved]
) -> Changeset:
    edits: list[Edit] = []
    left = list(unresolved)
    if routes:
        module = _free_module(tree, service)
        wanted = npm.dependencies(render("rate-limit/npm.json.j2", {}))
        dependency_edits, problems = npm.add(tree, service, wanted)
        problems += tuple(_obstacles(tree, routes, module))
        if problems or module is None:
            left += problems
        else:
            edits += dependency_edits
            edits += _routers(tree, routes, module)
            edits += _modules(tree, module, _extension(tree, routes))
            edits += _environment(tree, service)
    return Changeset(name=service.name or "routes", edits=tuple(edits), unresolved=tuple(left))


def _free_module(tree: Tree, service: PurePosixPath) -> PurePosixPath | None:
    """Return where the limiters go: no file of the service is overwritten."""
    paths = tree.paths()
    folders = [service / folder for folder in _FOLDERS]
    used = [folder for folder in folders if any(folder in path.parents for path in paths)]
    folder = (used or folders)[0]
    taken = {path for path in paths if path.parent == folder}
    if folder / f"{_STORE}.ts" in taken:
        return None
    free = (folder / f"{name}.ts" for name in _MODULES)
    return next((path for path in free if path not in taken), None)


def _obstacles(
    tree: Tree, routes: list[AuthRoute], module: PurePosixPath | None
) -> Iterator[Unresolved]:
    for route in routes:
        content = tree.read(route.path) or b""
        source = typescript.read(content)
        detail = ""
        if module is None:
            detail = "the names of the limiter's modules are taken"
        elif route.path.suffix != ".ts" or not imports.statements(source):
            detail = "only TypeScript routers with import statements are edited"
        elif LIMITERS[route.endpoint].encode() in content:
            detail = f"{LIMITERS[route.endpoint]} is there already, but does not limit as it must"
        if detail:
            line = route.call.place.line
            yield Unresolved(path=route.path, reason=Reason.AMBIGUOUS, line=line, detail=detail)


def _routers(tree: Tree, routes: list[AuthRoute], module: PurePosixPath) -> Iterator[Edit]:
    for path in sorted({route.path for route in routes}):
        content = tree.read(path) or b""
        here = [route for route in routes if route.path == path]
        names = sorted({LIMITERS[route.endpoint] for route in here})
        splices = [imports.insertion(content, path.parent, names, module)]
        splices += [_guarded(content, route) for route in here]
        yield Edit(path=path, before=content, after=splice(content, splices), mode=tree.mode(path))


def _guarded(content: bytes, route: AuthRoute) -> Splice:
    first = route.handlers[0]
    is_alone = first.line != route.call.place.line
    gap = "\n" + indentation(content, first.start) if is_alone else " "
    return Splice(start=first.start, end=first.start, text=f"{LIMITERS[route.endpoint]},{gap}")


def _modules(tree: Tree, module: PurePosixPath, extension: str) -> Iterator[Edit]:
    values = {"store_module": _STORE + extension, "account_field": "email"}
    for path, template in (
        (module, "rate-limit/authRateLimiter.ts.j2"),
        (module.with_name(f"{_STORE}.ts"), "rate-limit/authFailureStore.ts.j2"),
    ):
        yield Edit(path=path, before=tree.read(path), after=render(template, values))


def _environment(tree: Tree, service: PurePosixPath) -> Iterator[Edit]:
    """Name the new settings in the service's example, where it has one."""
    for name in (".env.example", "env.example"):
        content = tree.read(service / name)
        if content is None or b"TRUST_PROXY_HOPS" in content:
            continue
        start = "" if content.endswith(b"\n") or not content else "\n"
        text = start + render("rate-limit/env.example.j2", {}).decode()
        after = splice(content, [Splice(start=len(content), end=len(content), text=text)])
        path = service / name
        yield Edit(path=path, before=content, after=after, mode=tree.mode(path))


def _extension(tree: Tree, routes: list[AuthRoute]) -> str:
    sources = (typescript.read(tree.read(route.path) or b"") for route in routes)
    return max((imports.extension(source) for source in sources), default="")
