"""Find the routes that take a single sign-on's assertion, and say which of them has no limiter.

Who posts there has signatures checked and users looked up; no account or password is sent along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from closeout.fs.prefilter import holds_in_any_case, question
from closeout.gaps.rate_limit.detect import judge
from closeout.gaps.rate_limit.express.limiters import Limiter
from closeout.gaps.rate_limit.express.mounts import Mounts
from closeout.gaps.rate_limit.express.routes import AuthRoute, is_express, registered
from closeout.model import Located, Place, Tree
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source

_ASSERTION = re.compile(
    r"saml(?:/|\b|2)[^?#]*/(?:acs|callback|consume|assert\w*|post)(?:/:\w+)*/?$", re.IGNORECASE
)
_SPEAKS = question(
    SUFFIXES,
    lambda content: holds_in_any_case(content, (b"saml",)) and b".post" in content,
    is_source,
)


def _assertion_routes(tree: Tree) -> Iterator[AuthRoute]:
    """Yield every route of an Express router that a SAML provider's answer is posted to."""
    mounts = Mounts(tree)
    for path in tree.candidates(_SPEAKS):
        content = tree.read(path) or b""
        source = typescript.read(content)
        if source.refusal or source.error_line is not None or not is_express(tree, path, source):
            continue
        for route in registered(mounts, path, content, source):
            if any(_ASSERTION.search(item) for item in route.paths):
                yield route


def limited_assertions(tree: Tree) -> Located:
    """Return the routes that take assertions, those without any limiter beside the order."""
    found = list(_assertion_routes(tree))
    places = (
        Place(
            path=route.path,
            line=route.call.place.line,
            message=f"POST {route.paths[0]} has no rate limiter; limit it by address. The "
            "order asks nothing of assertions.",
            excerpt=route.call.place.text.splitlines()[0],
            is_beside=True,
        )
        for route in found
        if judge(tree, route, _has_none).problem
    )
    return Located(examined=tuple(sorted({route.path for route in found})), places=tuple(places))


def _has_none(found: tuple[Limiter, ...]) -> str:
    return "has no rate limiter" if all(item.flaw for item in found) else ""
