"""Say what devices publish that no code in the tree does: what its services wait for."""

from __future__ import annotations

from collections.abc import Iterator

from closeout.gaps.mqtt_tls.access.callers import Callers
from closeout.gaps.mqtt_tls.access.topics import READ, Topic

_DEVICE = "%u"


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
