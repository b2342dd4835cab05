"""Find the routes that sign users in or renew their tokens, and what stands before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout import npm
from closeout.anchors import typescript
from closeout.gaps.rate_limit.limiters import target
from closeout.model import Reason, Unresolved
from closeout.tree import Tree

NAMED = PurePosixPath("cloud-layer/cloud-identity-access/src/routes/authRoutes.ts")
_ENDPOINT = re.compile(r"(?:^|/)(login|refresh|refresh-token)/?$")
_ROUTE_OF = re.compile(r"\.route\(\s*(['\"`])(/[^'\"`]*)\1\s*\)$")
_LEFT_OUT = frozenset({"dist", "build", "tests", "test", "__tests__", "__mocks__", "e2e"})
_SUFFIXES = (".ts", ".js")
_NO_SOURCE = (".d.ts", ".test.ts", ".spec.ts", ".test.js", ".spec.js", ".min.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """An expression that a request passes before the handler, and the file it stands in."""

    path: PurePosixPath
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthRoute:
    """One login or refresh route; `handlers` are its arguments after the path."""

    path: PurePosixPath
    endpoint: str
    call: typescript.Call
    handlers: tuple[typescript.Place, ...]
    guards: tuple[Guard, ...]


def auth_routes(tree: Tree) -> tuple[tuple[AuthRoute, ...], tuple[Unresolved, ...]]:
    """Return every auth route of the tree's Express routers, and candidates that do not parse."""
    found: list[AuthRoute] = []
    broken: list[Unresolved] = []
    for path in tree.paths():
        content = tree.read(path) if _is_source(path) else None
        if content is None or not _is_candidate(content):
            continue
        source = typescript.read(content)
        routes = tuple(_routes(tree, path, source))
        if source.error_line is not None:
            broken.append(_unparsable(path, source.error_line))
        else:
            found += routes
    return tuple(found), tuple(broken)


def _is_source(path: PurePosixPath) -> bool:
    return (
        path.suffix in _SUFFIXES
        and not path.name.endswith(_NO_SOURCE)
        and not _LEFT_OUT.intersection(path.parts)
    )


def _is_candidate(content: bytes) -> bool:
    asked = b"/login" in content or b"/refresh" in content
    return asked and b".post(" in content and b"express" in content


def _routes(tree: Tree, path: PurePosixPath, source: typescript.Source) -> Iterator[AuthRoute]:
    if not any(item.source == "express" for item in source.imports):
        return
    for call in source.calls:
        route, handlers = _route_and_handlers(call)
        endpoint = _ENDPOINT.search(route)
        if call.method != "post" or endpoint is None or not handlers:
            continue
        if handlers[-1].kind == "object":
            continue
        yield AuthRoute(
            path=path,
            endpoint="login" if endpoint[1] == "login" else "refresh",
            call=call,
            handlers=handlers,
            guards=(
                *(Guard(path=path, text=place.text) for place in handlers[:-1]),
                *_used_before(path, source, call, route),
                *_mounted_with(tree, path),
            ),
        )


def _route_and_handlers(call: typescript.Call) -> tuple[str, tuple[typescript.Place, ...]]:
    chained = _ROUTE_OF.search(call.receiver)
    if chained:
        return chained[2], call.arguments
    return call.path or "", call.arguments[1:]


def _used_before(
    path: PurePosixPath, source: typescript.Source, call: typescript.Call, route: str
) -> Iterator[Guard]:
    receiver = call.receiver.split(".route(")[0]
    for mount in source.mounts():
        is_earlier = mount.place.start < call.place.start and mount.receiver == receiver
        if is_earlier and route.startswith((mount.path or "").rstrip("/")):
            places = mount.arguments[1:] if mount.path is not None else mount.arguments
            yield from (Guard(path=path, text=place.text) for place in places)


def _mounted_with(tree: Tree, path: PurePosixPath) -> Iterator[Guard]:
    """Return what other files of the service put before this router when they mount it."""
    service = npm.service_of(tree, path)
    if service is None:
        return
    for other in tree.paths():
        if other == path or service not in other.parents or not _is_source(other):
            continue
        content = tree.read(other) or b""
        if b".use(" not in content or path.stem.encode() not in content:
            continue
        source = typescript.read(content)
        names = {
            name
            for item in source.imports
            if item.source.startswith(".") and target(tree, other, item.source) == path
            for name in item.names
        }
        for mount in source.mounts():
            texts = [place.text for place in mount.arguments if place.kind != "string"]
            if names.intersection(texts):
                yield from (Guard(path=other, text=text) for text in texts if text not in names)


def _unparsable(path: PurePosixPath, line: int) -> Unresolved:
    return Unresolved(
        path=path, reason=Reason.UNPARSABLE, line=line, detail="the router does not parse"
    )
