"""Render the access list: what an example says, what clients of the tree do and await."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from closeout.gaps.mqtt_tls.access.callers import Callers
from closeout.gaps.mqtt_tls.access.topics import READ, WRITE, Topic
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse
from closeout.gaps.mqtt_tls.mosquitto.render import is_for_all
from closeout.model import Tree
from closeout.resources import render

_ALL = "readwrite #"
_WORDS = frozenset({"read", "write", "readwrite", "deny"})
_NOBODY = Callers()
_DEVICE = "%u"


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
    is_open = not patterns and not users
    needed = [_ALL] if is_open else _needed(patterns)
    of_all = () if is_open else tuple(line for line in needed if is_for_all(line))
    values = {
        "patterns": [line for line in needed if line not in of_all],
        "of_all": of_all,
        "users": [{"name": name, "topics": _needed(lines)} for name, lines in users.items()],
        "is_open": is_open,
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


def fed(callers: Callers) -> tuple[str, ...]:
    """Return the topics that devices have to be allowed besides those in the tree's own code.

    Where a topic of the tree's devices has the same form, a device stays within its own name.
    """
    return tuple(dict.fromkeys(_fed(callers)))


def _fed(callers: Callers) -> Iterator[str]:
    spoken = [*callers.devices, *(item for held in callers.services.values() for item in held)]
    writers = [item.name.split("/") for item in spoken if item.access != READ]
    awaited = [item for held in callers.services.values() for item in held if item.access == READ]
    for topic in awaited:
        own = next((made for item in callers.devices if (made := _named(topic, item))), "")
        if own:
            yield own
        elif not any(_meet(topic.name.split("/"), writer) for writer in writers):
            yield topic.name


def _named(awaited: Topic, device: Topic) -> str:
    """Return what is awaited, with the device where a topic of its has it; empty for another."""
    wanted, held = awaited.name.split("/"), device.name.split("/")
    place = held.index(_DEVICE) if _DEVICE in held else len(held)
    alike = (
        device.access != READ
        and place < len(wanted) == len(held)
        and wanted[place] == "+"
        and _meet(wanted[:place], held[:place])
    )
    return "/".join([*wanted[:place], _DEVICE, *wanted[place + 1 :]]) if alike else ""


def _meet(one: list[str], other: list[str]) -> bool:
    """Return whether a message may fit both topics."""
    for left, right in zip(one, other, strict=False):
        if "#" in {left, right}:
            return True
        if left != right and not {"+", _DEVICE} & {left, right}:
            return False
    longer = one[len(other) :] or other[len(one) :]
    return longer in ([], ["#"])
