"""Tell the constants that may become a variable of their own name: every starter can bring it.

A seed that hashes the same password as a literal takes the same variable.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.formats.front_ends import is_front_end
from closeout.fs.tree import below
from closeout.gaps.factory_secret.typescript.places import HardcodedSecret, SecretKind, sources
from closeout.gaps.factory_secret.wiring import required
from closeout.model import Tree

CLAIMS = "factorySecret"
"""The module that asks whether a claim is accepted."""
_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:PASSWORD|PASSCODE|SECRET)")
"""A key or a token may be a field's or a header's name: that nobody keeps in the environment."""
_MADE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])\S+")


def own_variable(tree: Tree, service: PurePosixPath, secret: HardcodedSecret) -> str:
    """Return the variable that a literal of a service's code may come from; empty for none."""
    if secret.kind is not SecretKind.HASHED:
        return secret.name if is_own(tree, service, secret) else ""
    named = (
        item.name
        for item in sources(tree).secrets
        if item.literal == secret.literal
        and service in item.path.parents
        and is_own(tree, service, item)
    )
    return next(named, "")


def is_own(tree: Tree, service: PurePosixPath, secret: HardcodedSecret) -> bool:
    """Return whether a constant at the top of a service's source is one that compose can bring.

    A page has no environment, and what nothing in the tree starts has nobody to hand it on.
    """
    if secret.kind is not SecretKind.CONSTANT or not _NAME.fullmatch(secret.name):
        return False
    content = tree.read(secret.path) or b""
    line = content[content.rfind(b"\n", 0, secret.place.start) + 1 : secret.place.end]
    is_top = re.match(rb"(?:export[ \t]+)?const[ \t]", line) is not None
    has_sources = bool(below(tree, service / "src"))
    is_within = not has_sources or (service / "src") in secret.path.parents
    if not (is_top and is_within and _MADE.fullmatch(secret.literal)):
        return False
    is_started = any(required(secret.name).compose_files(tree, [service]))
    return is_started and not is_front_end(tree, service)
