"""Say which variables tell a service of this tree that it runs for real users."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.formats.deployed import environments
from closeout.fs.once import once
from closeout.model import Tree

USUAL = ("APP_ENV", "ENVIRONMENT", "NODE_ENV")
_NAME = re.compile(r"(?:^|_)(?:ENV|ENVIRONMENT|STAGE)$")
_REAL = frozenset({"production", "prod", "staging"})


@once
def stage_variables(tree: Tree, folder: PurePosixPath) -> tuple[str, ...]:
    """Return the usual variables, and those by which the tree calls the service's stage so."""
    told = {
        name
        for deployed in environments(tree, folder)
        for name, text in deployed.variables.items()
        if _NAME.search(name) and text.strip().lower() in _REAL
    }
    return (*USUAL, *sorted(told - set(USUAL)))


def are_told(variables: Iterable[str]) -> bool:
    """Return whether one of the variables tells a service its stage."""
    return any(_NAME.search(name) for name in variables)
