"""Say what is found in this gap's words, and never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.model import Check, Finding, Tree, Unresolved

_NO_VALUE = re.compile(r"([A-Z][A-Z0-9_]*['\"\]]?\s*)([:=]|\|\||\?\?|,).*")
"""A line that names a secret may hold its value: an excerpt ends after the name."""


def check(
    rule: str,
    criterion: str,
    examined: set[PurePosixPath],
    findings: Iterable[Finding],
    unresolved: tuple[Unresolved, ...] = (),
) -> Check:
    """Return a rule's check, its findings by path and line."""
    ordered = sorted(findings, key=lambda item: (item.path, item.line, item.message))
    return Check(
        rule=f"external-secrets.{rule}",
        criterion=criterion,
        examined=tuple(sorted(examined)),
        findings=tuple(ordered),
        unresolved=unresolved,
    )


def finding(  # noqa: PLR0913, PLR0917 - one argument a column of a finding
    tree: Tree,
    rule: str,
    criterion: str,
    path: PurePosixPath,
    line: int,
    message: str,
    *,
    named: bool = False,
) -> Finding:
    """Return a finding whose excerpt ends before any value."""
    lines = (tree.read(path) or b"").splitlines()[line - 1 : line]
    return Finding(
        gap="external-secrets",
        rule=f"external-secrets.{rule}",
        criterion=criterion,
        path=path,
        line=line,
        message=message,
        excerpt=_NO_VALUE.sub(r"\1\2 ...", b"".join(lines).decode("utf-8", "replace").strip()),
        named=named,
    )
