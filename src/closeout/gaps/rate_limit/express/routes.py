"""Find the routes that sign users in or renew their tokens, and what stands before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.formats.holdings import is_deployed_from
from closeout.fs import json_reader
from closeout.fs.once import once
from closeout.fs.prefilter import (
    holds,
    holds_in_any_case,
    in_lower_case,
    matches,
    matches_any,
    question,
)
from closeout.fs.text_edit import line_start
from closeout.gaps.rate_limit.express.frameworks import unlimited
from closeout.gaps.rate_limit.express.mounts import Guard, Mount, Mounts, root
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source

NAMED = PurePosixPath("cloud-layer/cloud-identity-access/src/routes/authRoutes.ts")
_LOGIN = r"log[-_]?in|sign[-_]?in"
_REFRESH = r"refresh(?:[-_]?(?:access[-_]?)?tokens?)?|renew(?:[-_]?tokens?)?"
_ENDPOINT = re.compile(
    rf"(?:^|/)(?:(?P<login>{_LOGIN})(?:/password)?|(?P<refresh>{_REFRESH}))(?:/:\w+)*/?$",
    re.IGNORECASE,
)
_HANDLER = re.compile(
    rf"(?<![\w$])(?:(?P<login>(?:do|handle|post|user)?_?(?:{_LOGIN}))"
    rf"|(?P<refresh>(?:do|handle|post)?_?(?:{_REFRESH})))(?:User|Handler|Controller|Action)?(?![\w$])",
    re.IGNORECASE,
)
_SIGNS = (
    *(b"login", b"log-in", b"log_in", b"signin", b"sign-in", b"sign_in"),
    *(b"refresh", b"renew"),
)
_REGISTERING = (re.compile(rb"\.all\s*\("), re.compile(rb"\.use\s*\("))
_REGISTERS = question(
    SUFFIXES,
    lambda content: (
        holds_in_any_case(content, _SIGNS)
        and (b"post" in (lowered := in_lower_case(content)) or matches_any(lowered, _REGISTERING))
    ),
    is_source,
)
_CODE = (*SUFFIXES, ".tsx", ".jsx", ".py", ".java", ".kt", ".go", ".rb", ".php", ".cs", ".rs")
_SIGNING_IN = (*_SIGNS[:6], b"authenticat", b"password")
_SIGNING_PATHS = tuple(
    re.compile(b"/" + word + rb"\b") for word in (b"auth", b"tokens?", b"sessions?")
)
_OUR_LIMIT = b"REFRESH_LIMIT_PER_ADDRESS"
"""Our own limiters speak of renewing, whether the service does or not."""
_RENEWING = (b"refresh", b"renew")
_TOKEN = re.compile(rb"\btokens?\b")


def _signs_in(lowered: bytes) -> bool:
    return holds(lowered, _SIGNING_IN) or matches_any(lowered, _SIGNING_PATHS)


def _keeps_sessions(lowered: bytes) -> bool:
    told = b"cookie" in lowered or _signs_in(lowered)
    return told or (b"token" in lowered and matches(lowered, _TOKEN))


MAY_SIGN_IN = question(
    _CODE,
    lambda content: _signs_in(in_lower_case(content)),
    is_deployed_from,
    leads_to_reading=False,
)
MAY_RENEW = question(
    _CODE,
    lambda content: (
        holds_in_any_case(content, _RENEWING)
        and _keeps_sessions(in_lower_case(content))
        and _OUR_LIMIT not in content
    ),
    is_deployed_from,
    leads_to_reading=False,
)
"""Which code, in whatever language, speaks of signing in, and which of renewing tokens."""
_PARAMETER = re.compile(r":\w+")
_ROUTERS = re.compile(r"^(?:app|api|server|routes?|\w*Router|\w*App)$", re.IGNORECASE)
_METHODS = frozenset({"all", "post"})
_FUNCTIONS = frozenset({"arrow_function", "function_expression", "function"})
_SESSION = re.compile(r"auth|token|session|identity", re.IGNORECASE)
_QUOTED = re.compile(r"(['\"`]).*?\1")
_LONGEST_WRAPPER = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthRoute:
    """One login or refresh route; `handlers` are its arguments after the path."""

    path: PurePosixPath
    endpoint: str
    paths: tuple[str, ...]
    """Its paths, as written and with what the places that mount its router put before them."""
    call: typescript.Call
    handlers: tuple[typescript.SourceRange, ...]
    guards: tuple[Guard, ...]

    @property
    def address(self) -> str:
        """Return a path at which a running service answers."""
        return _PARAMETER.sub("1", max(self.paths, key=len))


def endpoint_of(path: str) -> str:
    """Return which endpoint a path ends in, empty where it is none."""
    found = _ENDPOINT.search(path)
    return "" if found is None else "login" if found["login"] else "refresh"


@once
def auth_routes(tree: Tree) -> tuple[tuple[AuthRoute, ...], tuple[Unresolved, ...]]:
    """Return every auth route of the tree's Express routers, and what hides one.

    That is a router that does not parse, and one whose paths are not written in the code.
    """
    mounts = Mounts(tree)
    found: list[AuthRoute] = []
    broken: list[Unresolved] = []
    for path in tree.candidates(_REGISTERS):
        content = tree.read(path) or b""
        source = typescript.read(content)
        if not (source.refusal or is_express(tree, path, source)):
            continue
        if source.error_line is not None:
            if b".post(" in content or any(call.method in _METHODS for call in source.calls):
                broken.append(_unparsable(path, source))
            continue
        routes = tuple(_routes(mounts, path, content, source))
        found += routes
        if not routes:
            broken += _hidden(mounts, path, content, source)
    return tuple(found), (*broken, *unlimited(tree))


def is_express(tree: Tree, path: PurePosixPath, source: typescript.TypeScriptSource) -> bool:
    """Return whether a source is handed Express routers, or makes them."""
    if any(item.source == "express" for item in source.imports):
        return True
    service = npm.service_of(tree, path)
    manifest = None if service is None else tree.read(service / "package.json")
    if manifest is None or b'"express"' not in manifest:
        return False
    receivers = (root(call.receiver) for call in source.calls if call.method in _METHODS)
    return _may_depend(manifest) and any(_ROUTERS.match(name) for name in receivers)


def _may_depend(manifest: bytes) -> bool:
    """Return whether express is listed; one that cannot be read may list it."""
    try:
        return "express" in json_reader.loads(manifest).get("dependencies", {})
    except (AttributeError, TypeError, ValueError):
        return True


def _routes(
    mounts: Mounts, path: PurePosixPath, content: bytes, source: typescript.TypeScriptSource
) -> Iterator[AuthRoute]:
    for route in registered(mounts, path, content, source):
        endpoint = _endpoint([*route.paths], route.handlers[-1])
        if endpoint:
            yield replace(route, endpoint=endpoint)


def registered(
    mounts: Mounts, path: PurePosixPath, content: bytes, source: typescript.TypeScriptSource
) -> Iterator[AuthRoute]:
    """Yield every route that a file registers; which endpoint each is, is not told."""
    ways: tuple[Mount, ...] | None = None
    for call in source.calls:
        if call.method not in _METHODS:
            continue
        paths, handlers, earlier = _registration(mounts, path, source, call)
        if not handlers or handlers[-1].kind == "object" or not _is_statement(content, call):
            continue
        ways = mounts.of(path) if ways is None else ways
        full = [way.prefix.rstrip("/") + route for way in ways for route in paths]
        route = next((item for item in paths if _ENDPOINT.search(item)), "".join(paths[:1]))
        yield AuthRoute(
            path=path,
            endpoint="",
            paths=(*paths, *full),
            call=call,
            handlers=handlers,
            guards=(
                *(Guard(path=path, text=place.text) for place in (*earlier, *handlers[:-1])),
                *mounts.before(path, source, call, route),
                *(_shared(ways)),
            ),
        )


def _shared(ways: tuple[Mount, ...]) -> tuple[Guard, ...]:
    """Return the guards that stand on every way to the router."""
    if not ways:
        return ()
    others = [set(way.guards) for way in ways[1:]]
    return tuple(guard for guard in ways[0].guards if all(guard in way for way in others))


def _registration(
    mounts: Mounts, path: PurePosixPath, source: typescript.TypeScriptSource, call: typescript.Call
) -> tuple[
    tuple[str, ...],
    tuple[typescript.SourceRange, ...],
    tuple[typescript.SourceRange, ...],
]:
    """Return the route's paths, its handlers, and what its chain puts before them."""
    chain = [
        item
        for item in source.calls
        if item.place.start == call.place.start and item.place.end < call.place.end
    ]
    routed = next((item for item in chain if item.method == "route" and item.arguments), None)
    if routed is not None:
        earlier = [place for item in chain if item.method == "all" for place in item.arguments]
        return mounts.texts(path, routed.arguments[0]), call.arguments, tuple(earlier)
    if not call.arguments:
        return (), (), ()
    return mounts.texts(path, call.arguments[0]), call.arguments[1:], ()


def _is_statement(content: bytes, call: typescript.Call) -> bool:
    """Return whether nobody waits for what the call returns, as for a client's answer."""
    ahead = content[line_start(content, call.place.start) : call.place.start].rstrip()
    return not ahead.endswith((b"await", b"return", b"=", b"(", b"yield"))


def _endpoint(paths: list[str], handler: typescript.SourceRange) -> str:
    found = next((match for item in paths if (match := _ENDPOINT.search(item))), None)
    is_function = handler.kind in _FUNCTIONS and len(handler.text) > _LONGEST_WRAPPER
    if found is None and not is_function:
        found = _HANDLER.search(_QUOTED.sub("", handler.text))
    if found is None:
        return ""
    if found["login"]:
        return "login"
    # Much is refreshed and renewed; only a plain /refresh is a session's without saying so.
    is_plain = found.re is _ENDPOINT and found["refresh"].lower() == "refresh"
    about = " ".join([*paths, handler.text])
    return "refresh" if is_plain or _SESSION.search(about) else ""


def _hidden(
    mounts: Mounts, path: PurePosixPath, content: bytes, source: typescript.TypeScriptSource
) -> Iterator[Unresolved]:
    """Yield the registrations whose path is not written, beside a sign-in path that is."""
    written = [place for place in source.strings if _ENDPOINT.search(place.text.strip("'\"`"))]
    if not any(place.text.strip("'\"`").startswith("/") for place in written):
        return
    for call in source.calls:
        is_computed = not call.method and "[" in call.callee and len(call.arguments) > 1
        if call.method not in _METHODS and not is_computed:
            continue
        is_written = call.arguments and mounts.texts(path, call.arguments[0])
        if not is_written and len(call.arguments) > 1 and _is_statement(content, call):
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                line=call.place.line,
                detail="this route's path is not written here, but a sign-in path is",
                hint="write the auth routes one by one, or limit them where they are registered.",
            )
            return


def _unparsable(path: PurePosixPath, source: typescript.TypeScriptSource) -> Unresolved:
    detail = source.refusal or "the router does not parse"
    line = source.error_line or 1
    return Unresolved(path=path, reason=Reason.UNPARSABLE, line=line, detail=detail)
