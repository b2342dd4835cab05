"""Find what hands sign-ins on to another service of the tree, and whether it says for whom.

That is a route whose handler sends the same request to the service that signs in, and a proxy
whose target is that service. Without the client's address all its users are one address there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.formats import compose, npm
from closeout.formats.deployed import environments
from closeout.fs.once import once
from closeout.fs.prefilter import question
from closeout.fs.text_edit import Splice
from closeout.gaps.rate_limit.express.handlers import function, spelled_out
from closeout.gaps.rate_limit.express.routes import AuthRoute, endpoint_of
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source
from closeout.parsing.typescript import arguments, find, members, text_of
from closeout.parsing.typescript_names import Names
from closeout.parsing.typescript_objects import appended
from closeout.parsing.typescript_tree import fragment, parameters
from closeout.parsing.typescript_values import FUNCTIONS, TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

_DEPTH = 5
"""A handler, its client, the client's way to send, and what that sends with."""

HEADER = "x-forwarded-for"
_SENDING = re.compile(r"\bfetch\(|\baxios\b|\bundici\b|\bgot\b|\bhttps?\.request\(|\.request\(")
_PROXIES = frozenset({"http-proxy-middleware", "http-proxy"})
_PROXYING = question(SUFFIXES, lambda content: b"http-proxy" in content, is_source)
_VARIABLE = re.compile(r"process\.env(?:\.(\w+)|\[['\"](\w+)['\"]\])")
_REQUEST = re.compile(r"^_?req(?:uest)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A place of the service in `folder` from which sign-ins reach the one in `target`.

    `splices` make it say whose they are, by file; none where it does, or where nobody knows how.
    """

    folder: PurePosixPath
    target: PurePosixPath
    path: PurePosixPath
    line: int
    excerpt: str
    forwards: bool
    splices: tuple[tuple[PurePosixPath, Splice], ...] = ()
    route: AuthRoute | None = None
    hops: int = 1
    """How many proxies the target may believe by it, itself included."""


def unforwarded(item: Caller) -> Unresolved:
    """Return a caller that keeps the client's address to itself in a way not known here."""
    return Unresolved(
        path=item.path,
        reason=Reason.AMBIGUOUS,
        line=item.line,
        detail=f"where {item.target.name} could be told the client's address cannot be read",
        hint=f"send {HEADER} with the request: what came with it, and the address of who asked.",
    )


@once
def callers(tree: Tree, routes: Sequence[AuthRoute]) -> tuple[Caller, ...]:
    """Return what hands sign-ins and renewals on to the services of `routes`."""
    found = [item for route in routes if (item := _by_handler(tree, route, routes)) is not None]
    passing = {item.route for item in found}
    targets = {npm.home_of(tree, route.path) for route in routes if route not in passing}
    return (*found, *_by_proxy(tree, targets))


def _by_handler(tree: Tree, route: AuthRoute, routes: Iterable[AuthRoute]) -> Caller | None:
    texts = spelled_out(tree, route, _DEPTH)
    if not any(_SENDING.search(text) for text in texts):
        return None
    sent = {text for each in texts for text in _addresses(each, route.endpoint)}
    folder = npm.home_of(tree, route.path)
    target = next(
        (
            npm.home_of(tree, other.path)
            for other in routes
            if other.endpoint == route.endpoint
            and npm.home_of(tree, other.path) != folder
            and any(text.endswith(path) for text in sent for path in other.paths)
        ),
        None,
    )
    if target is None:
        return None
    forwards = any(HEADER in text.lower() for text in texts)
    return Caller(
        folder=folder,
        target=target,
        path=route.path,
        line=route.call.place.line,
        excerpt=route.call.place.text.splitlines()[0],
        forwards=forwards,
        splices=() if forwards else tuple(_told(tree, route)),
        route=route,
    )


def _addresses(text: str, endpoint: str) -> Iterator[str]:
    """Yield the paths of that endpoint which code names elsewhere than in an answer of its own."""
    for node in find(fragment(text.encode()), "string", "template_string"):
        written = text_of(node)[1:-1]
        call = node.parent.parent if node.parent is not None else None
        is_answer = text_of(call).startswith(("res.", "response.", "reply."))
        if endpoint_of(written) == endpoint and not is_answer:
            yield written


def _told(tree: Tree, route: AuthRoute) -> Iterator[tuple[PurePosixPath, Splice]]:
    """Yield the splices that put the client's address among the headers that are sent on."""
    names = Names(tree)
    found: dict[tuple[PurePosixPath, int], Splice] = {}
    for path, node in handling(names, route):
        for request in _requests(node)[:1]:
            for there, literal, name in _headers(names, path, node, request):
                content = tree.read(there) or b""
                # A proxy's whole chain: who asked it, and for whom.
                asked = f"{name}.headers['{HEADER}'], {name}.socket.remoteAddress"
                chain = f"[{asked}].filter(Boolean).join(', ')"
                splice = appended(content, literal, [f"'{HEADER}': {chain}"])
                found.setdefault((there, literal.start_byte), splice)
    yield from ((path, splice) for (path, _), splice in found.items())


def handling(names: Names, route: AuthRoute) -> Iterator[tuple[PurePosixPath, Node]]:
    """Yield the functions that answer the route: those in its call, else those it names."""
    root = names.root(route.path)
    last = route.handlers[-1]
    node = None if root is None else root.descendant_for_byte_range(last.start, last.end)
    if node is None:
        return
    own = [item for item in find(node, *_WRITTEN) if _requests(item)]
    yield from ((route.path, item) for item in own[:1])
    for name in () if own else re.findall(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?", last.text):
        there = function_node(names, route.path, name)
        if there is not None and _requests(there[1]):
            yield there


_WRITTEN = tuple(FUNCTIONS)


def function_node(
    names: Names, path: PurePosixPath, name: str
) -> tuple[PurePosixPath, Node] | None:
    """Return the function that a name stands for in a file, with the file that has it."""
    found = function(names, path, name)
    root = None if found is None else names.root(found[0])
    if found is None or root is None:
        return None
    place = found[1].place
    node = root.descendant_for_byte_range(place.start, place.end)
    inner = [] if node is None else find(node, *_WRITTEN)
    return (found[0], inner[0]) if inner else None


def _requests(node: Node) -> list[str]:
    return [name for name in parameters(node) if _REQUEST.match(name)]


def _headers(
    names: Names, path: PurePosixPath, handler: Node, request: str
) -> Iterator[tuple[PurePosixPath, Node, str]]:
    """Yield the object literals whose members go out as headers, and what the request is there."""
    for literal in find(handler, "object"):
        for key, value in members(literal):
            if key == "headers":
                yield from _literals(names, path, handler, value, request)


def _literals(
    names: Names, path: PurePosixPath, within: Node, value: Node, request: str
) -> Iterator[tuple[PurePosixPath, Node, str]]:
    """Yield the literals that a value is, or a function makes, or its name stands for `within`."""
    if value.type == "object":
        yield path, value, request
    elif value.type == "call_expression":
        yield from _made(names, path, value, request)
    else:
        for item in find(within, "variable_declarator"):
            held = item.child_by_field_name("value")
            is_meant = text_of(item.child_by_field_name("name")) == text_of(value)
            if is_meant and held is not None and held.type in {"object", "call_expression"}:
                yield from _literals(names, path, within, held, request)


def _made(
    names: Names, path: PurePosixPath, call: Node, request: str
) -> Iterator[tuple[PurePosixPath, Node, str]]:
    """Yield the literal that a function makes headers from, where it is given the request."""
    given = [text_of(item) for item in arguments(call)]
    there = function_node(names, path, text_of(call.child_by_field_name("function")))
    if there is None or request not in given:
        return
    home, node = there
    names_there = parameters(node)
    place = given.index(request)
    body = node.child_by_field_name("body")
    if place >= len(names_there) or body is None:
        return
    for item in find(body, "return_statement"):
        for value in item.named_children[:1]:
            if value.type != "call_expression":
                yield from _literals(names, home, body, value, names_there[place])


def _by_proxy(tree: Tree, targets: set[PurePosixPath]) -> Iterator[Caller]:
    """Yield the proxies whose target is a service that signs in."""
    for path in tree.candidates(_PROXYING) if targets else ():
        content = tree.read(path) or b""
        source = typescript.read(content)
        made = {name for item in source.imports if item.source in _PROXIES for name in item.names}
        folder = npm.service_of(tree, path)
        if source.error_line is not None or folder is None or not made:
            continue
        for call in find(typescript.parsed(content), "call_expression"):
            if text_of(call.child_by_field_name("function")).split(".")[0] not in made:
                continue
            for options in (item for item in arguments(call) if item.type == "object"):
                given = dict(members(options))
                target = _target(tree, path, folder, given.get("target"), targets)
                if target is None:
                    continue
                forwards = "xfwd" in given
                yield Caller(
                    folder=folder,
                    target=target,
                    path=path,
                    line=call.start_point.row + 1,
                    excerpt=text_of(call).splitlines()[0],
                    forwards=forwards,
                    splices=()
                    if forwards
                    else ((path, appended(content, options, ["xfwd: true"])),),
                )


def _target(
    tree: Tree,
    path: PurePosixPath,
    folder: PurePosixPath,
    value: Node | None,
    targets: set[PurePosixPath],
) -> PurePosixPath | None:
    """Return the service that a proxy's target is, by the host in its address."""
    if value is None:
        return None
    leaves = TypeScriptValues(tree).at(path, typescript.place_of(value))
    texts = [leaf.text for leaf in leaves]
    asked = {found[1] or found[2] for text in texts for found in _VARIABLE.finditer(text)}
    texts += [
        deployed.variables[name]
        for deployed in (environments(tree, folder) if asked else ())
        for name in asked & deployed.variables.keys()
    ]
    hosts = {found for text in texts for found in re.findall(r"//([\w.-]+)", text)}
    started = compose.all_services(tree)
    named = {service.folder for service in started if service.name in hosts}
    return next((item for item in sorted(targets) if item.name in hosts or item in named), None)
