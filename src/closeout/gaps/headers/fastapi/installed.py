"""Tell which response headers the layers around an application set, and from where."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.parsing import python_walk
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import AppCreation, Definition, Module

_STACK = "build_middleware_stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledHeaders:
    """The values of each header by lower-case name; `outermost` where a 500 has them too."""

    values: Mapping[str, frozenset[str]]
    outermost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """Code that stands around the application: a class, a function, or the module it is in."""

    module: Module
    nodes: tuple[ast.AST, ...]
    outermost: bool


@lru_cache(maxsize=256)
def installed(service: FastApiService, path: PurePosixPath, app: AppCreation) -> InstalledHeaders:
    """Return what the layers around `app` set on every answer.

    A header that a single route sets does not count: no layer carries it.
    """
    values: dict[str, set[str]] = {}
    outermost = False
    layers = dict.fromkeys(_layers(service, path, app))  # the same a thousand times over is one
    for layer in sorted(layers, key=lambda layer: layer.outermost):
        found = list(_headers(layer, service))
        outermost = outermost or (layer.outermost and bool(found))
        for name, value in found:
            values.setdefault(name, set()).add(value)
        if layer.outermost and found:
            # What the outermost layer says replaces what the inner ones said.
            values |= {name: {value for key, value in found if key == name} for name, _ in found}
    return InstalledHeaders(
        values={name: frozenset(items) for name, items in values.items()}, outermost=outermost
    )


def _layers(service: FastApiService, path: PurePosixPath, app: AppCreation) -> Iterator[_Layer]:
    for home, known in ((path, app), *service.received(path, app)):
        module = service.modules[home]
        if known.name:
            yield from _called_layers(service, module, known)
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                _is_http_middleware(decorator, known.name) for decorator in node.decorator_list
            ):
                yield _Layer(module=module, nodes=(node,), outermost=False)


def _is_http_middleware(decorator: ast.expr, name: str) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"{name}.middleware"


def _called_layers(service: FastApiService, module: Module, app: AppCreation) -> Iterator[_Layer]:
    for call, _, _ in module.calls:
        takes_app = any(ast.unparse(argument) == app.name for argument in call.args)
        adds = ast.unparse(call.func) == f"{app.name}.add_middleware"
        if not takes_app and not (adds and call.args):
            continue
        name = module.qualified(call.args[0] if adds else call.func).rsplit(".", 1)[-1]
        for home, definition in _definitions(service, name):
            if adds:
                yield _layer(home, module, definition, outermost=False)
            elif isinstance(definition, ast.ClassDef) or _overrides_stack(definition):
                yield _layer(home, module, definition, outermost=True)
            else:
                yield from _added_within(service, home, definition)


def _added_within(
    service: FastApiService, home: Module, definition: Definition
) -> Iterator[_Layer]:
    for node in python_walk.nodes(definition):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_middleware"):
            name = home.qualified(node.args[0]).rsplit(".", 1)[-1] if node.args else ""
            for other, found in _definitions(service, name):
                yield _layer(other, home, found, outermost=False)


def _definitions(service: FastApiService, name: str) -> Iterator[tuple[Module, Definition]]:
    for _, module in service.modules.holding(name) if name else ():
        for node in module.definitions.get(name, ()):
            yield module, node


def _layer(home: Module, app_module: Module, node: Definition, *, outermost: bool) -> _Layer:
    constants = tuple(
        item for item in home.tree.body if isinstance(item, ast.Assign | ast.AnnAssign)
    )
    whole = (home.tree,) if home is not app_module else (node, *constants)
    return _Layer(module=home, nodes=whole, outermost=outermost)


def _overrides_stack(definition: Definition) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == _STACK and isinstance(node.ctx, ast.Store)
        for node in python_walk.nodes(definition)
    )


def _headers(layer: _Layer, service: FastApiService) -> Iterator[tuple[str, str]]:
    for top in layer.nodes:
        for node in python_walk.nodes(top):
            for name, value in python_walk.headers(node):
                if "-" in name:
                    for text in _texts(value, layer.module, service):
                        yield name, text


def _texts(value: ast.AST, module: Module, service: FastApiService) -> Iterable[str]:
    text = python_walk.text(value)
    if text or not isinstance(value, ast.expr):
        return [text] if text else []
    return service.values.strings(value, module)
