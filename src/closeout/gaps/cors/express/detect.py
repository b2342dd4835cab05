"""Find Express services that let every origin in: cors() and headers written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.formats.holdings import is_deployed_from
from closeout.fs.once import once
from closeout.fs.prefilter import holds, holds_in_any_case, matches, question
from closeout.gaps.cors.express.frameworks import SIGNS, open_lines, socket_policies
from closeout.gaps.cors.express.openings import Opening, delegated, opening_of, untried
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source, readers
from closeout.parsing.typescript_flow import is_guarded
from closeout.parsing.typescript_values import FUNCTIONS, Leaf, TypeScriptValues

MODULES = ("corsOrigins", "corsPolicyOrigins", "crossOriginPolicy")
"""What the module that reads the origins may be called, the first name that is free."""

_HEADER = "access-control-allow-origin"
_SIGNS = re.compile(
    rb"""(?:require\s*\(|from)\s*['"`](?:cors|socket\.io)['"`]|access-control-allow-origin""",
    re.IGNORECASE,
)
_CHEAP_SIGNS = (b"cors", b"socket.io", b"access-control-allow-origin")
_SERVER = re.compile(rb"""['"](?:express|cors|node:http|http|fastify|koa)['"]""")
_SERVERS = (b"express", b"cors", b"http", b"fastify", b"koa")
_FRAMEWORKS = (
    *(b'"express"', b"'express'", b"fastify", b"nestjs", b"koa", b"hapi", b"node:http", b"'http'"),
    *(b"access-control-allow-origin", b"cors", b"flask", b"django", b"aiohttp", b"net/http"),
    *(b"springframework", b"sinatra", b"rails", b"laravel", b"aspnetcore"),
)
"""What a service that browsers may call is made with; in doubt it is one."""


def _has_signs(content: bytes) -> bool:
    return holds_in_any_case(content, _CHEAP_SIGNS) and (
        matches(content, _SIGNS) or matches(content, SIGNS)
    )


_OPEN = question(SUFFIXES, _has_signs, is_source)
_EXAMINED = question(
    SUFFIXES,
    lambda content: (holds(content, _SERVERS) and matches(content, _SERVER)) or _has_signs(content),
    is_source,
)
SERVES = question(
    (*SUFFIXES, ".json", ".java", ".kt", ".go", ".rb", ".php", ".cs", ".py"),
    lambda content: holds_in_any_case(content, _FRAMEWORKS),
    is_deployed_from,
)
"""What may answer browsers, whether we can read it or not."""
_SETTERS = frozenset({"append", "header", "set", "setHeader", "writeHead"})
_REFLECTING = re.compile(
    r"""^\w+\.(?:headers\??(?:\.origin|\[['"`]origin['"`]\])|(?:get|header)\(['"`]origin['"`]\))$""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPlace:
    """One open place. `options` is the object literal that decides, None where there is none.

    `call` is the cors(…) call, None for a header written by hand.
    """

    path: PurePosixPath
    line: int
    opening: Opening
    call: typescript.Call | None = None
    options: Leaf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressSurvey:
    """The tree's Node sources that were read, the open places, and what cannot be judged."""

    examined: tuple[PurePosixPath, ...]
    opened: tuple[OpenedPlace, ...]
    unresolved: tuple[Unresolved, ...]
    policies: tuple[PurePosixPath, ...]
    """The files that call cors(…), open or not."""


def look(tree: Tree) -> ExpressSurvey:
    """Return what the tree's Express services do with origins."""
    opened: dict[tuple[PurePosixPath, int], OpenedPlace] = {}
    seen = {path: _policies(tree, path) for path in tree.candidates(_OPEN)}
    for each in seen.values():
        for start, place in each.opened:
            opened.setdefault((place.path, start), place)
    return ExpressSurvey(
        examined=tree.candidates(_EXAMINED),
        opened=tuple(opened.values()),
        unresolved=tuple(dict.fromkeys(item for each in seen.values() for item in each.unresolved)),
        policies=tuple(path for path, each in seen.items() if each.has_calls),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policies:
    """What one file does with origins; each open place with what tells it from its neighbours."""

    opened: tuple[tuple[int, OpenedPlace], ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    has_calls: bool = False


@once
def _policies(tree: Tree, path: PurePosixPath) -> _Policies:
    values, source = TypeScriptValues(tree), typescript.read(tree.read(path) or b"")
    if source.error_line is not None:
        told = source.refusal or "does not parse"
        return _Policies(unresolved=(_left(path, source.error_line, Reason.UNPARSABLE, told),))
    opened: list[tuple[int, OpenedPlace]] = []
    unresolved: list[Unresolved] = []
    sockets, calls = list(socket_policies(values, path, source)), list(cors_calls(source))
    for call, options in sockets:
        found = _of_options(values, call, options)
        opened += ((options.place.start, item) for item in found if isinstance(item, OpenedPlace))
    for call in calls:
        for item in _judge(values, path, call):
            if isinstance(item, Unresolved):
                unresolved.append(item)
            else:
                held = call if item.options is None else item.options
                opened.append((held.place.start, item))
    by_hand = [
        *_by_hand(values, path, source),
        *(
            OpenedPlace(path=path, line=line, opening=Opening.FRAMEWORK)
            for line in open_lines(values, path, source)
        ),
    ]
    return _Policies(
        opened=(*opened, *((-item.line, item) for item in by_hand)),
        unresolved=tuple(unresolved),
        has_calls=bool(calls or sockets),
    )


def configurable_folders(tree: Tree, survey: ExpressSurvey) -> tuple[PurePosixPath, ...]:
    """Return the folders of the services with a policy that reads the variable."""
    with_policy = {npm.home_of(tree, path) for path in survey.policies}
    reading = readers(tree, frozenset(with_policy), "ALLOWED_ORIGINS")
    return tuple(sorted(reading))


def cors_calls(source: typescript.TypeScriptSource) -> Iterator[typescript.Call]:
    """Yield the calls of the package `cors`, whatever it was imported as."""
    names = {name for item in source.imports if item.source == "cors" for name in item.names}
    names |= {f"{name}.default" for name in names}
    inline = {f"require({quote}cors{quote})" for quote in "'\"`"}
    for call in source.calls:
        if call.callee in names | inline:
            yield call


def _judge(
    values: TypeScriptValues, path: PurePosixPath, call: typescript.Call
) -> Iterator[OpenedPlace | Unresolved]:
    leaves = values.at(path, call.arguments[0]) if call.arguments else ()
    given = [leaf for leaf in leaves if leaf.kind in {"object", *FUNCTIONS}]
    if not call.arguments or any(leaf.kind in {"undefined", "null"} for leaf in leaves):
        line = call.place.line
        yield OpenedPlace(path=path, line=line, opening=Opening.DEFAULT, call=call)
    elif not given:
        line = call.place.line
        detail = "which origins it trusts cannot be read from the code"
        yield _left(path, line, Reason.AMBIGUOUS, detail)
    for leaf in given:
        objects = [leaf] if leaf.kind == "object" else list(delegated(values, leaf))
        for options in objects:
            yield from _of_options(values, call, options)


def _of_options(
    values: TypeScriptValues, call: typescript.Call, options: Leaf
) -> Iterator[OpenedPlace | Unresolved]:
    origins = values.members(options, "origin")
    opening, line = opening_of(values, options, origins)
    if opening is not None:
        yield OpenedPlace(path=options.path, line=line, opening=opening, call=call, options=options)
    elif untried(origins):
        detail = "which origins its regular expression takes was not tried"
        yield _left(options.path, line, Reason.AMBIGUOUS, detail)


def _by_hand(
    values: TypeScriptValues, path: PurePosixPath, source: typescript.TypeScriptSource
) -> Iterator[OpenedPlace]:
    for call in source.calls:
        if call.method not in _SETTERS or _HEADER not in call.place.text.lower():
            continue
        for value in _header_values(call):
            leaves = values.at(path, value)
            is_star = any(
                leaf.kind in {"string", "template_string"} and leaf.text == "*" for leaf in leaves
            )
            outer = [leaf for leaf in leaves if not _is_inside_a_call(leaf, leaves)]
            reflects = outer and all(_REFLECTING.match(leaf.place.text) for leaf in outer)
            whole = values.at(path, call.place)[:1] if reflects and not is_star else ()
            if is_star or (reflects and not any(is_guarded(leaf.node) for leaf in whole)):
                yield OpenedPlace(path=path, line=value.line, opening=Opening.HEADER)


def _header_values(call: typescript.Call) -> Iterator[typescript.SourceRange]:
    if (call.path or "").lower() == _HEADER:
        yield from call.arguments[1:2]
    for argument in call.arguments:
        if argument.kind == "object":
            for name, value in typescript.properties(argument).items():
                if name.lower() == _HEADER:
                    yield value


def _is_inside_a_call(leaf: Leaf, leaves: tuple[Leaf, ...]) -> bool:
    return any(
        other.kind == "call" and other.place.start < leaf.place.start < other.place.end
        for other in leaves
        if other.path == leaf.path
    )


def _left(path: PurePosixPath, line: int, reason: Reason, detail: str) -> Unresolved:
    return Unresolved(path=path, reason=reason, line=line, detail=detail)
