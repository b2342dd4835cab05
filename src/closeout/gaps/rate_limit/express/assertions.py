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
from closeout.model import Place, Tree
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


def assertion_routes(tree: Tree) -> Iterator[AuthRoute]:
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


def unlimited_assertions(tree: Tree) -> Iterator[Place]:
    """Yield the routes that take assertions without any limiter, as places beside the order."""
    for route in assertion_routes(tree):
        if judge(tree, route, _any).problem:
            yield Place(
                path=route.path,
                line=route.call.place.line,
                message=f"POST {route.paths[0]} has no rate limiter; limit it by address. The "
                "order asks nothing of assertions.",
                excerpt=route.call.place.text.splitlines()[0],
                is_beside=True,
            )


def _any(found: tuple[Limiter, ...]) -> str:
    working = [item for item in found if not item.flaw]
    return "" if working else "has no rate limiter"
