"""Say where in a router the limiters go, and what keeps them from going there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, indentation
from closeout.gaps.rate_limit.express.routes import AuthRoute
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.typescript_language import Language, brought_in, unspoken
from closeout.parsing.typescript_names import Names

_LIMITERS = {
    "login": ("loginRateLimiter", "loginFailureLimiter"),
    "refresh": ("refreshRateLimiter", "refreshFailureLimiter"),
}
"""What our limiters are called: by their module, and where that name is taken."""
_FUNCTIONS = frozenset({"arrow_function", "function", "function_expression"})
_PARSER = re.compile(r"\.(?:json|urlencoded|text|raw)\(|\bmulter\b|\bbodyParser\b|\bformidable\b")


def obstacles(
    tree: Tree,
    service: PurePosixPath,
    routes: list[AuthRoute],
    spoken: Language | None,
    module: PurePosixPath | None,
) -> Iterator[Unresolved]:
    """Yield why the limiters cannot go before some of `routes`."""
    for route in routes:
        content = tree.read(route.path) or b""
        detail = ""
        hint = "mend the file by hand, then run the command again."
        if spoken is None:
            detail = unspoken(tree, service, [item.path for item in routes])
            hint = "change that, or put a limiter before this route by hand."
        elif module is None:
            detail = "the names of the limiter's modules are taken"
            hint = "rename src/middleware/authFailureStore, or mend the limiter that is there."
        elif not _name(content, route.endpoint):
            limiter = _LIMITERS[route.endpoint][0]
            detail = f"{limiter} is there already, but does not limit as it must"
        elif _parses_inside(tree, route):
            detail = "the body is parsed inside the handlers' array; a limiter needs it before"
            hint = "put the body parser before the array, then run the command again."
        if detail:
            yield Unresolved(
                path=route.path,
                reason=Reason.AMBIGUOUS,
                line=route.call.place.line,
                detail=detail,
                hint=hint,
            )


def names(content: bytes, routes: list[AuthRoute]) -> dict[str, tuple[str, str]]:
    """Return what our limiters are called by endpoint: by their module, and in the router."""
    found = sorted({route.endpoint for route in routes})
    return {endpoint: (_LIMITERS[endpoint][0], _name(content, endpoint)) for endpoint in found}


def mounted(
    tree: Tree,
    routes: list[AuthRoute],
    called: Mapping[str, tuple[str, str]],
    module: PurePosixPath,
    spoken: Language,
) -> list[Splice]:
    """Return the splices that bring limiters into a router and put them before its `routes`."""
    content = tree.read(routes[0].path) or b""
    brought = brought_in(
        content,
        routes[0].path.parent,
        list(dict.fromkeys(called.values())),
        module,
        extension=spoken.extension,
        before=min(route.call.place.start for route in routes),
    )
    return [brought, *(_guarded(tree, content, item, called[item.endpoint][1]) for item in routes)]


def _guarded(tree: Tree, content: bytes, route: AuthRoute, limiter: str) -> Splice:
    """Return the splice that puts the limiter before the route's handlers, the body once parsed."""
    parsers = [
        number
        for number, place in enumerate(route.handlers[:-1])
        if _PARSER.search(_spelled_out(tree, route, place.text))
    ]
    first = route.handlers[max(parsers, default=-1) + 1]
    is_alone = first.line != route.call.place.line
    gap = "\n" + indentation(content, first.start) if is_alone else " "
    # Ours are arrays: beside a function one would cost that function its parameters' types.
    is_array = any(limiter in names for names in _LIMITERS.values())
    is_inline = any(place.kind in _FUNCTIONS for place in route.handlers)
    name = ("..." if is_inline and is_array else "") + limiter
    return Splice(start=first.start, end=first.start, text=f"{name},{gap}")


def _name(content: bytes, endpoint: str) -> str:
    """Return a name for the limiter that the router does not use, empty where both are used."""
    return next((name for name in _LIMITERS[endpoint] if name.encode() not in content), "")


def _parses_inside(tree: Tree, route: AuthRoute) -> bool:
    """Return whether the last handler is an array that parses the body."""
    text = _spelled_out(tree, route, route.handlers[-1].text.lstrip("."))
    return text.startswith("[") and bool(_PARSER.search(text))


def _spelled_out(tree: Tree, route: AuthRoute, name: str) -> str:
    """Return what the name of a handler stands for, itself where that is not known."""
    found = Names(tree).definition(route.path, name)
    return name if found is None else typescript.text_of(found[1])
