"""Find logins and renewals of Fastify, Koa and NestJS, which only a person gives a limiter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from closeout.fs.prefilter import holds, matches, question
from closeout.fs.text_edit import line_number
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.node_sources import SUFFIXES, is_source
from closeout.parsing.typescript import code_of, parsed, read

_FRAMEWORKS = (b"fastify", b"@nestjs/", b"koa")
_ENDPOINT = rb"['\"`][\w/:-]*\b(?:log[-_]?in|sign[-_]?in|refresh(?:[-_]?tokens?)?)/?['\"`]"
_ROUTE = re.compile(
    rb"@Post\(\s*"
    + _ENDPOINT
    + rb"|\b(?:fastify|app|server|router|instance)\.post\(\s*"
    + _ENDPOINT
)
_LIMITED = re.compile(r"@Throttle|ThrottlerGuard|\brateLimit\b|ratelimit")
_PACKAGES = frozenset({"express-rate-limit", "@fastify/rate-limit", "koa-ratelimit"})
_FOUND = question(
    SUFFIXES,
    lambda content: holds(content, _FRAMEWORKS) and matches(content, _ROUTE),
    is_source,
)


def unlimited(tree: Tree) -> Iterator[Unresolved]:
    """Yield the routes of other frameworks in files whose code names no limiter."""
    for path in tree.candidates(_FOUND):
        content = tree.read(path) or b""
        sources = {item.source for item in read(content).imports}
        code = code_of(parsed(content))
        if sources & _PACKAGES or _LIMITED.search(code):
            continue
        for found in _ROUTE.finditer(content):
            is_told = code.encode()[found.start() : found.start() + 1].isspace()
            if is_told or ("express" in sources and not found[0].startswith(b"@")):
                continue
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                line=line_number(content, found.start()),
                detail="signs users in by another framework than Express, and no limiter is seen",
                hint="limit it by @nestjs/throttler or @fastify/rate-limit; Express is mended.",
            )
