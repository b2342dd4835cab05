"""Render the access list: what an example says, and what the clients of the tree do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from closeout.gaps.mqtt_tls.access.callers import Callers
from closeout.gaps.mqtt_tls.access.feeding import fed
from closeout.gaps.mqtt_tls.access.topics import WRITE
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse
from closeout.model import Tree
from closeout.resources import render

_ALL = "readwrite #"
_WORDS = frozenset({"read", "write", "readwrite", "deny"})
_NOBODY = Callers()


def access_list(example: bytes | None, callers: Callers = _NOBODY) -> bytes:
    """Return the access list; an example's topics stay, but the user decides, not the client id.

    A `topic` above every `user` is for clients without a login, and there are none: it becomes a
    pattern. A service whose topics nothing tells may use all, as it could before.
    """
    patterns: dict[str, None] = {}
    users: dict[str, dict[str, None]] = {}
    current = patterns
    for item in parse(example or b"").directives:
        line = item.value.replace("%c", "%u")
        if item.name == "pattern":
            patterns[line] = None
        elif item.name == "user":
            current = users.setdefault(item.value, {})
        elif item.name == "topic":
            current[line if line.split()[0] in _WORDS else f"readwrite {line}"] = None
    patterns |= dict.fromkeys(f"{item.access} {item.name}" for item in callers.devices)
    patterns |= dict.fromkeys(f"{WRITE} {name}" for name in fed(callers))
    for name, held in callers.services.items():
        spoken = dict.fromkeys(f"{item.access} {item.name}" for item in held)
        listed = users.setdefault(name, {})
        listed |= spoken or ({} if listed else {_ALL: None})
    values = {
        "patterns": _needed(patterns) or ([] if users else [_ALL]),
        "users": [{"name": name, "topics": _needed(lines)} for name, lines in users.items()],
        "is_open": not patterns and not users,
    }
    return render("mqtt-tls/aclfile.j2", values)


def _needed(lines: Mapping[str, None]) -> list[str]:
    """Return the lines without what another one of them grants as well."""
    both = {line.removeprefix("readwrite ") for line in lines if line.startswith("readwrite ")}
    return [
        line
        for line in lines
        if line.partition(" ")[0] not in {"read", "write"} or line.partition(" ")[2] not in both
    ]


def listed(tree: Tree, folder: PurePosixPath, callers: Callers) -> bytes:
    """Return the access list of the broker in `folder`, by the example that stands there."""
    return access_list(tree.read(folder / "aclfile.example"), callers)
