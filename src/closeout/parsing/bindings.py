"""Look up once a module what its code assigns, returns and puts into lists, by name."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from closeout.parsing.python_walk import Scope, assignment

_GROWING = frozenset(["append", "extend", "insert", "add", "update"])


class Bindings:
    """The values behind the names of one module: every branch and every assignment counts."""

    def __init__(
        self, statements: Iterable[tuple[ast.stmt, Scope | None]], calls: Iterable[ast.Call]
    ) -> None:
        """Look at each statement and each call once."""
        kept: dict[str, list[tuple[ast.expr, ast.expr]]] = {}
        returned: dict[str, list[ast.expr]] = {}
        added: dict[str, list[ast.expr]] = {}
        for statement, scope in statements:
            if isinstance(statement, ast.AugAssign):
                added.setdefault(_name(statement.target), []).append(statement.value)
            elif isinstance(statement, ast.Return) and scope and statement.value:
                returned.setdefault(scope.name, []).append(statement.value)
            value, targets = assignment(statement)
            if value:
                for target in targets:
                    name = target.attr if isinstance(target, ast.Attribute) else _name(target)
                    kept.setdefault(name, []).append((target, value))
        for call in calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr in _GROWING:
                added.setdefault(_name(call.func.value), []).extend(call.args[-1:])
        self.kept: Mapping[str, Sequence[tuple[ast.expr, ast.expr]]] = kept
        """Each target of an assignment with its value, by the last part of the target's name."""
        self.returned: Mapping[str, Sequence[ast.expr]] = returned
        """What functions return, by the function's name."""
        self.added: Mapping[str, Sequence[ast.expr]] = added
        """What is put into a list after it was made, by the list's name."""


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
