"""Say from which environment variables a service's code takes its origins."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from closeout.parsing.fastapi import FastApiService
from closeout.parsing.python import Module
from closeout.parsing.python_settings import env_prefix
from closeout.parsing.python_walk import text

VARIABLE = "ALLOWED_ORIGINS"
_ALIASES = ("validation_alias", "alias", "env")


def configured_by(service: FastApiService) -> frozenset[str]:
    """Return the variables that fill the service's origins: ours, or what a field is called.

    A settings class reads a field from its alias, else from its name behind the class's prefix.
    """
    held = service.mentioning((VARIABLE.lower().encode(),))
    return frozenset(name for _, module in held for name in _read(module))


def _read(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Call):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (VARIABLE for value in given if text(value) == VARIABLE)
        elif isinstance(node, ast.Subscript) and text(node.slice) == VARIABLE:
            yield VARIABLE
        elif isinstance(node, ast.ClassDef) and "Settings" in " ".join(
            map(ast.unparse, node.bases)
        ):
            yield from _fields(node)


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and ast.unparse(field.target).upper() == VARIABLE:
            aliases = list(_aliases(field.value))
            yield from (name.upper() for name in aliases or [f"{env_prefix(node)}{VARIABLE}"])


def _aliases(value: ast.expr | None) -> Iterator[str]:
    for keyword in value.keywords if isinstance(value, ast.Call) else ():
        if keyword.arg in _ALIASES:
            for part in ast.walk(keyword.value):
                if name := text(part):
                    yield name
