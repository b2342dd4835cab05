"""Say what a policy's call lists, and which of its options stay when it is replaced."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import PurePosixPath

from closeout.gaps.cors.detect import is_closed
from closeout.gaps.cors.fastapi.openings import LISTING
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import CorsCall, Module

_OURS = frozenset({"allow_origins", "allow_methods", "allow_headers"})


def kept(service: FastApiService, module: Module, call: CorsCall) -> dict[str, ast.expr]:
    """Return the options that the new call has as well; those we do not know are among them."""
    held = {
        "credentials" if name == "allow_credentials" else name: node
        for name, node in call.options.items()
        if name not in _OURS
    }
    trusting = held.get("credentials")
    if trusting is not None and _follows_the_wildcard(module, trusting):
        del held["credentials"]
    pattern = held.get("allow_origin_regex")
    if pattern is not None and not is_closed(service, module, pattern):
        del held["allow_origin_regex"]
    return held


def _follows_the_wildcard(module: Module, trusting: ast.expr) -> bool:
    """Return whether credentials are simply on, or on wherever origins are listed."""
    if isinstance(trusting, ast.Constant):
        return trusting.value is True
    values = module.assigned(trusting.id) if isinstance(trusting, ast.Name) else ()
    held = {value.value for value in values if isinstance(value, ast.Constant)}
    return held == {True, False} and len(held) == len(values)


def listing(
    service: FastApiService, path: PurePosixPath, call: CorsCall
) -> ast.List | ast.Tuple | ast.Set | None:
    """Return the list of origins that the call is given, in it or by a name assigned once."""
    node = call.options.get("allow_origins")
    if isinstance(node, ast.Name):
        assigned = service.modules[path].assigned(node.id)
        node = assigned[0] if len(assigned) == 1 else None
    return node if isinstance(node, LISTING) else None


def declared(
    service: FastApiService, path: PurePosixPath, call: CorsCall
) -> tuple[str, ...] | None:
    """Return the origins written out in the call, without wildcards.

    None where it is no list, and where the list holds what code says.
    """
    node = listing(service, path, call)
    if node is None or not all(isinstance(item, ast.Constant) for item in node.elts):
        return None
    return tuple(dict.fromkeys(_texts(node)))


def listed(call: CorsCall | None, option: str, spelled: Callable[[str], str]) -> frozenset[str]:
    """Return what an option lists, wildcards left out; nothing where it is no list."""
    node = call.options.get(option) if call is not None else None
    return frozenset(map(spelled, _texts(node))) if isinstance(node, LISTING) else frozenset()


def _texts(node: ast.List | ast.Tuple | ast.Set) -> list[str]:
    values = [item.value for item in node.elts if isinstance(item, ast.Constant)]
    return [value for value in values if isinstance(value, str) and "*" not in value]
