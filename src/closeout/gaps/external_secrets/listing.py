"""List the secrets of a monorepo, and where each comes from."""

from __future__ import annotations

import json

from closeout.console.layout import counted
from closeout.console.output import give, say, sum_up
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree
from closeout.gaps.external_secrets.inventory import SecretVariable, inventory
from closeout.model import Desk


def list_secrets(desk: Desk) -> ExitCode:
    """Print every secret variable of every service with its places, and keep the list."""
    found = inventory(DiskTree(desk.root))
    for item in found:
        flags = ["LITERAL"] * item.literal + ["FALLBACK"] * item.fallback
        say(f"{item.service} {item.name}{' ' + ', '.join(flags) if flags else ''}")
        for place in item.places:
            say(f"  {place.path}:{place.line} {place.origin.value}")
    listed = [_to_json(item) for item in found]
    give("secrets", listed)
    document = json.dumps(listed, indent=1)
    run = desk.keep("secrets.json", document.encode())
    literals = sum(item.literal or item.fallback for item in found)
    total = counted(len(found), "secret variable")
    sum_up(f"{total}, {literals} with a usable literal; {run}/secrets.json")
    return ExitCode.GAPS_LEFT if literals else ExitCode.SETTLED


def _to_json(item: SecretVariable) -> dict[str, object]:
    return {
        "service": item.service,
        "name": item.name,
        "literal": item.literal,
        "fallback": item.fallback,
        "places": [
            {"path": str(place.path), "line": place.line, "origin": place.origin.value}
            for place in item.places
        ],
    }
