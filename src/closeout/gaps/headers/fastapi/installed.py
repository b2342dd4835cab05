"""Tell which response headers the layers around an application set, and from where."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.parsing import python_walk
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import AppCreation, Definition, Module

_ADDS = "add_middleware"
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
    node: ast.AST
    outermost: bool
    with_constants: bool = False
    """Whether it may take what it sets from what its module assigns."""


@lru_cache(maxsize=256)
def installed(service: FastApiService, path: PurePosixPath, app: AppCreation) -> InstalledHeaders:
    """Return what the layers around `app` set on every answer.

    A header that a single route sets does not count: no layer carries it.
    """
    homes = ((path, app), *service.received(path, app))
    return _installed(service, tuple(dict.fromkeys((home, known.name) for home, known in homes)))


@lru_cache(maxsize=256)
def _installed(
    service: FastApiService, homes: tuple[tuple[PurePosixPath, str], ...]
) -> InstalledHeaders:
    """Return it for all applications that go by these names in these files."""
    values: dict[str, set[str]] = {}
    outermost = False
    layers = dict.fromkeys(_layers(service, homes))  # the same a thousand times over is one
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


def _layers(
    service: FastApiService, homes: Iterable[tuple[PurePosixPath, str]]
) -> Iterator[_Layer]:
    for home, known in homes:
        module = service.modules[home]
        if known:
            yield from _called_layers(service, module, known)
        for node in _decorated(module).get(f"{known}.middleware", ()):
            yield _Layer(module=module, node=node, outermost=False)


@lru_cache(maxsize=256)
def _decorated(module: Module) -> Mapping[str, Sequence[ast.AST]]:
    """Return the functions by the calls that decorate them."""
    found: dict[str, dict[ast.AST, None]] = {}
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for item in node.decorator_list:
                if isinstance(item, ast.Call):
                    found.setdefault(ast.unparse(item.func), {})[node] = None
    return {name: tuple(nodes) for name, nodes in found.items()}


@lru_cache(maxsize=256)
def _about(module: Module) -> Mapping[str, Sequence[tuple[ast.Call, bool]]]:
    """Return the calls by the names that they are given; whether they add to it as middleware."""
    found: dict[str, dict[ast.Call, bool]] = {}
    for call, _, _ in module.calls:
        for argument in call.args:
            if isinstance(argument, ast.Name | ast.Attribute):  # as applications are called
                found.setdefault(ast.unparse(argument), {})[call] = False
        if call.args and isinstance(call.func, ast.Attribute) and call.func.attr == _ADDS:
            found.setdefault(ast.unparse(call.func.value), {})[call] = True
    return {name: tuple(calls.items()) for name, calls in found.items()}


def _called_layers(service: FastApiService, module: Module, app: str) -> Iterator[_Layer]:
    for call, adds in _about(module).get(app, ()):
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
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(f".{_ADDS}"):
            name = home.qualified(node.args[0]).rsplit(".", 1)[-1] if node.args else ""
            for other, found in _definitions(service, name):
                yield _layer(other, home, found, outermost=False)


def _definitions(service: FastApiService, name: str) -> Iterator[tuple[Module, Definition]]:
    for _, module in service.modules.holding(name) if name else ():
        for node in module.definitions.get(name, ()):
            yield module, node


def _layer(home: Module, app_module: Module, node: Definition, *, outermost: bool) -> _Layer:
    if home is not app_module:
        return _Layer(module=home, node=home.tree, outermost=outermost)
    return _Layer(module=home, node=node, outermost=outermost, with_constants=True)


def _overrides_stack(definition: Definition) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == _STACK and isinstance(node.ctx, ast.Store)
        for node in python_walk.nodes(definition)
    )


def _headers(layer: _Layer, service: FastApiService) -> Iterator[tuple[str, str]]:
    yield from _said(service, layer.module, layer.node)
    if layer.with_constants:
        yield from _constants(service, layer.module)


@lru_cache(maxsize=256)
def _constants(service: FastApiService, module: Module) -> Sequence[tuple[str, str]]:
    assigned = (item for item in module.tree.body if isinstance(item, ast.Assign | ast.AnnAssign))
    return tuple(dict.fromkeys(said for item in assigned for said in _said(service, module, item)))


@lru_cache(maxsize=1024)
def _said(service: FastApiService, module: Module, top: ast.AST) -> Sequence[tuple[str, str]]:
    """Return each header that is set below `top`, with each of its values."""
    found = {
        (name, text): None
        for node in python_walk.nodes(top)
        for name, value in python_walk.headers(node)
        if "-" in name
        for text in _texts(value, module, service)
    }
    return tuple(found)


def _texts(value: ast.AST, module: Module, service: FastApiService) -> Iterable[str]:
    text = python_walk.text(value)
    if text or not isinstance(value, ast.expr):
        return [text] if text else []
    return service.values.strings(value, module)
