"""Read a configuration with what a broker of compose finds in the folders that it includes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.gaps.mqtt_tls.compose.brokers import Broker
from closeout.gaps.mqtt_tls.mosquitto.configuration import BrokerConf, parse
from closeout.gaps.mqtt_tls.mosquitto.render import LISTENER
from closeout.model import Tree

_CONF = frozenset({".conf"})


def whole(tree: Tree, path: PurePosixPath, starters: list[Broker]) -> BrokerConf:
    """Return a configuration with what it includes once there are certificates."""
    conf = parse(tree.read(path) or b"")
    directives = list(conf.directives)
    for item in conf.directives:
        if item.name == "include_dir":
            place = PurePosixPath(item.value)
            folders = {found for broker in starters if (found := broker.inside(place))}
            for name in sorted(name for folder in folders for name in _included(tree, folder)):
                held = parse(tree.read(name) or b"").directives
                directives += [replace(each, line=item.line) for each in held]
    return replace(conf, directives=tuple(directives))


def _included(tree: Tree, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield what the broker reads in `folder`: `certs.dev` copies the listener into ours."""
    if folder.parts[-2:] == ("certs", "broker"):
        name = folder.parent.parent / LISTENER
        yield from (name,) if tree.read(name) is not None else ()
    yield from (path for path in tree.ending(_CONF) if path.parent == folder)
