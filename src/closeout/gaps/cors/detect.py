"""Find cross-origin policies that trust everybody, or cannot be configured."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from closeout.gaps.cors.fastapi.openings import (
    LISTING,
    is_everybody,
    open_headers,
    open_sockets,
)
from closeout.gaps.cors.fastapi.variables import VARIABLE, configured_by
from closeout.gaps.cors.strangers import compiled, taken_by
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import CorsCall, Module
from closeout.parsing.python_walk import Scope, nodes

NAMED = (
    PurePosixPath("edge-layer/edge-vision-inference/app/main.py"),
    PurePosixPath("cloud-layer/cloud-llm-insights-service/app/main.py"),
    PurePosixPath("cloud-layer/cloud-advanced-analytics/app/main.py"),
    PurePosixPath("cloud-layer/cloud-analytics-service/app/main.py"),
    PurePosixPath("cloud-layer/cloud-inference-server/app/main.py"),
)
"""The files that the order lists."""
LISTED = tuple(path.parents[1].name for path in NAMED)

SIBLINGS = ("cloud-weather-service", "cloud-feed-planner")
"""FastAPI services with the same defect that it does not list."""
IDENTITY = "cloud-identity-access"
INGESTION = "cloud-ingestion"
"""An Express service with the same defect that the order does not list."""
UNLISTED = frozenset([*SIBLINGS, INGESTION])

_WRITTEN = (b"cors_allowed_origins", b"access-control-allow-origin")
"""What a module says that trusts origins by no middleware."""


class Flaw(Enum):
    """What is wrong with a policy."""

    WILDCARD = "trusts every origin"
    PATTERN = "trusts every origin by a regular expression"
    HEADER = "answers any origin with an Access-Control-Allow-Origin written by hand"
    SOCKET = "lets every origin connect to its socket.io server"
    UNREADABLE = "takes its policy from options that cannot be read"
    NOT_CONFIGURABLE = f"does not take its origins from {VARIABLE}"
    MISSING = "has no cross-origin policy, so no list of trusted origins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flawed:
    """One place of a service with its flaw; `call` is None where no call makes the policy.

    `value` is what a socket.io server is told.
    """

    path: PurePosixPath
    line: int
    flaw: Flaw
    call: CorsCall | None = None
    value: ast.expr | None = None


def open_policies(service: FastApiService) -> Iterator[Flawed]:
    """Yield the service's places that let any origin in."""
    for path, call in service.cors_calls:
        for option, admits, flaw in (
            ("allow_origins", _has_wildcard, Flaw.WILDCARD),
            ("allow_origin_regex", _admits_strangers, Flaw.PATTERN),
        ):
            lines = [
                node.lineno if module is service.modules[path] else call.line
                for node, module in _given(service, path, call, option)
                if admits(service.values.strings(node, module))
            ]
            if lines:
                yield Flawed(path=path, line=lines[0], flaw=flaw, call=call)
                break
        else:
            if not _is_readable(service, path, call) or _is_untried(service, path, call):
                yield Flawed(path=path, line=call.line, flaw=Flaw.UNREADABLE, call=call)
    for path, module in service.mentioning(_WRITTEN):
        for value in open_sockets(module):
            yield Flawed(path=path, line=value.lineno, flaw=Flaw.SOCKET, value=value)
        for line in open_headers(module):
            yield Flawed(path=path, line=line, flaw=Flaw.HEADER)


def _given(
    service: FastApiService, path: PurePosixPath, call: CorsCall, option: str
) -> Iterator[tuple[ast.expr, Module]]:
    """Yield what the call's option may be, each with the module that says so."""
    module = service.modules[path]
    if option in call.options:
        yield call.options[option], module
    for value in call.unread:
        for held, home in service.values.dictionaries(value, module):
            if option in held:
                yield held[option], home


def _is_readable(service: FastApiService, path: PurePosixPath, call: CorsCall) -> bool:
    module = service.modules[path]
    return all(service.values.dictionaries(value, module) for value in call.unread) and not any(
        service.values.is_foreign(node, home)
        for node, home in _given(service, path, call, "allow_origins")
    )


def _is_untried(service: FastApiService, path: PurePosixPath, call: CorsCall) -> bool:
    given = _given(service, path, call, "allow_origin_regex")
    texts = (text for node, module in given for text in service.values.strings(node, module))
    return any(compiled(text) is None for text in texts)


def is_closed(service: FastApiService, module: Module, pattern: ast.expr) -> bool:
    """Return whether an origin's pattern is known, and takes no stranger."""
    texts = service.values.strings(pattern, module)
    is_known = bool(texts) and all(compiled(text) is not None for text in texts)
    return is_known and not _admits_strangers(texts)


def unconfigurable(service: FastApiService) -> Iterator[Flawed]:
    """Yield the policies with a wildcard of their own, and all where nothing reads the variable.

    A module that reads it beside such a policy, and that nobody asks, configures nothing.
    """
    read = configured_by(service)
    for path, call in service.cors_calls:
        own = [node for node, _ in _given(service, path, call, "allow_origins")]
        if not read or any(isinstance(node, LISTING) and is_everybody(node) for node in own):
            yield Flawed(path=path, line=call.line, flaw=Flaw.NOT_CONFIGURABLE, call=call)


def absent_policies(service: FastApiService) -> Iterator[Flawed]:
    """Yield the applications that the order lists and that have no policy in force.

    A sibling without a policy is left alone: browsers then keep every other origin out.
    """
    named = [(path, app) for path, app in service.apps if path in NAMED]
    if named and not any(_is_in_force(service, at, call) for at, call in service.cors_calls):
        for path, app in named:
            yield Flawed(path=path, line=app.line, flaw=Flaw.MISSING)


def _is_in_force(service: FastApiService, path: PurePosixPath, call: CorsCall) -> bool:
    if call.scope is None or any(app.scope is call.scope for _, app in service.apps):
        return True
    owners = [
        node.name
        for node in service.modules[path].nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_around(node, call.scope)
    ]
    return service.calls(owners)


def _is_around(outer: ast.AST, inner: Scope) -> bool:
    """Return whether a function is another one or holds it; by their lines, most are told apart."""
    first, last = getattr(outer, "lineno", 0), getattr(outer, "end_lineno", 0)
    return first <= inner.lineno <= last and any(node is inner for node in nodes(outer))


def _has_wildcard(strings: frozenset[str]) -> bool:
    parts = (part for text in strings for part in text.split(","))
    return any(part.strip(" []\"'") == "*" for part in parts)


def _admits_strangers(patterns: frozenset[str]) -> bool:
    tried = (compiled(pattern) for pattern in patterns)
    return any(pattern and taken_by(pattern, whole=True) for pattern in tried)
