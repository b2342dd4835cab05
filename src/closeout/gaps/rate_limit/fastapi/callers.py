"""Find Python services that hand sign-ins on to a service of the tree, by whatever HTTP client."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.fs.text_edit import Splice
from closeout.gaps.rate_limit.express.callers import HEADER, Caller
from closeout.gaps.rate_limit.express.routes import AuthRoute, endpoint_of
from closeout.model import Tree
from closeout.parsing.fastapi import FastApiService, services
from closeout.parsing.python import Module

_SENDING = frozenset({"post", "request"})
_SIGNS = (b"login", b"log-in", b"signin", b"sign-in", b"refresh", b"renew")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_callers(tree: Tree, routes: Sequence[AuthRoute]) -> Iterator[Caller]:
    """Yield the calls of Python services that are answered by one of `routes`."""
    for service in services(tree) if routes else ():
        for path, module in service.holding(_SIGNS):
            yield from _of_module(tree, service, path, module, routes)


def _of_module(
    tree: Tree,
    service: FastApiService,
    path: PurePosixPath,
    module: Module,
    routes: Iterable[AuthRoute],
) -> Iterator[Caller]:
    for call, statement, scope in module.calls:
        # A decorator is a call beside the function's definition: it registers a route.
        is_sent = isinstance(call.func, ast.Attribute) and call.func.attr in _SENDING
        if not is_sent or scope is None or isinstance(statement, _Function | ast.ClassDef):
            continue
        asked = {text for node in call.args[:2] for text in _addresses(node, module)}
        asked |= {text for item in call.keywords for text in _addresses(item.value, module)}
        answering = (
            npm.home_of(tree, item.path)
            for item in routes
            for text in asked
            if endpoint_of(text) == item.endpoint and text.endswith(item.paths)
        )
        target = next(answering, None)
        if target is None or target == service.folder:
            continue
        forwards = HEADER in ast.unparse(scope).lower()
        change = None if forwards else _told(module, call, scope)
        yield Caller(
            folder=service.folder,
            target=target,
            path=path,
            line=call.lineno,
            excerpt=module.source(statement).splitlines()[0],
            forwards=forwards,
            splices=() if change is None else ((path, change),),
        )


def _addresses(node: ast.expr, module: Module) -> Iterator[str]:
    """Yield what is written of an address, parts that are filled in left out."""
    if isinstance(node, ast.Name):
        for value in module.assigned(node.id):
            if not isinstance(value, ast.Name):
                yield from _addresses(value, module)
    elif isinstance(node, ast.JoinedStr | ast.BinOp | ast.Constant):
        parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
        yield "".join(part for part in parts if isinstance(part, str))


def _told(module: Module, call: ast.Call, scope: ast.AST) -> Splice | None:
    """Return the splice that sends the client's address with the call; None without a request."""
    request = _request(scope)
    if not request:
        return None
    asker = f"{request}.client.host if {request}.client else None"
    chain = f'", ".join(filter(None, [{request}.headers.get("{HEADER}"), {asker}]))'
    entry = f'"{HEADER}": {chain}'
    given = next((item.value for item in call.keywords if item.arg == "headers"), None)
    if given is None:
        ends = [module.span(item).end for item in call.args]
        ends += [module.span(item).end for item in call.keywords]
        return Splice(start=max(ends), end=max(ends), text=f", headers={{{entry}}}")
    span = module.span(given)
    text = f"{{**{module.source(given)}, {entry}}}"
    return Splice(start=span.start, end=span.end, text=text)


def _request(scope: ast.AST) -> str:
    """Return what a function calls the request that it answers, empty where it takes none."""
    listed = scope.args if isinstance(scope, _Function) else None
    for item in (*listed.posonlyargs, *listed.args, *listed.kwonlyargs) if listed else ():
        if item.annotation is not None and ast.unparse(item.annotation).endswith("Request"):
            return item.arg
    return ""
