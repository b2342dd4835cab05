"""Read pydantic's settings: classes whose fields come from the environment."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from closeout.parsing.python_walk import entries, nodes, text

_OPTIONAL = re.compile(r"\bNone\b|\bOptional\b|\bClassVar\b")


def is_settings(node: ast.ClassDef) -> bool:
    """Return whether a class takes its fields from the environment."""
    return any(ast.unparse(base).endswith("BaseSettings") for base in node.bases)


@lru_cache(maxsize=16)
def env_prefix(node: ast.ClassDef) -> str:
    """Return what the variables of a settings class start with."""
    for item in nodes(node):
        held = entries(item) or {} if isinstance(item, ast.Dict) else {}
        if isinstance(item, ast.keyword):
            held = {item.arg or "": item.value}
        elif isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            held = {item.targets[0].id: item.value}
        if "env_prefix" in held:
            return text(held["env_prefix"])
    return ""


def is_optional(item: ast.AnnAssign) -> bool:
    """Return whether a field may be nothing."""
    return bool(_OPTIONAL.search(ast.unparse(item.annotation)))


def fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    """Yield the fields of a settings class, none of another one, each behind its variable."""
    for item in node.body if is_settings(node) else ():
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield f"{env_prefix(node)}{item.target.id}".upper(), item
