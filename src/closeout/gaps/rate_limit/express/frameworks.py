"""Find logins and renewals of Fastify, Koa and NestJS, which only a person gives a limiter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from closeout.fs.prefilter import holds, matches, question
from closeout.fs.text_edit import line_number
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.node_sources import SUFFIXES, is_source

_FRAMEWORKS = (b"fastify", b"@nestjs/", b"koa")
_ENDPOINT = rb"['\"`][\w/:-]*\b(?:log[-_]?in|sign[-_]?in|refresh(?:[-_]?tokens?)?)/?['\"`]"
_ROUTE = re.compile(
    rb"@Post\(\s*"
    + _ENDPOINT
    + rb"|\b(?:fastify|app|server|router|instance)\.post\(\s*"
    + _ENDPOINT
)
_LIMITED = re.compile(rb"@Throttle|ThrottlerGuard|\brateLimit\b|@fastify/rate-limit|ratelimit")
_FOUND = question(
    SUFFIXES,
    lambda content: holds(content, _FRAMEWORKS) and matches(content, _ROUTE),
    is_source,
)


def unlimited(tree: Tree) -> Iterator[Unresolved]:
    """Yield the routes of other frameworks in files that speak of no limiter."""
    for path in tree.candidates(_FOUND):
        content = tree.read(path) or b""
        if b"express-rate-limit" in content or _LIMITED.search(content):
            continue
        if b"from 'express'" in content or b"require('express')" in content:
            continue
        for found in _ROUTE.finditer(content):
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                line=line_number(content, found.start()),
                detail="signs users in by another framework than Express, and no limiter is seen",
                hint="limit it by @nestjs/throttler or @fastify/rate-limit; Express is mended.",
            )
