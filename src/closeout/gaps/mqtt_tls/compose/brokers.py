"""Find the MQTT brokers of a compose file: ports, mounts, and the configuration they read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.compose import ComposeMount, Port, is_base
from closeout.fs.text_edit import line_number
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.yaml import Node, YamlError

CONFIG = PurePosixPath("/mosquitto/config/mosquitto.conf")
COPY = re.compile(rb"^(?:COPY|ADD)\s+(?:--\S+\s+)*(\S+)\s+(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One mosquitto service of a compose file."""

    compose: PurePosixPath
    name: str
    line: int
    node: Node
    ports: tuple[Port, ...]
    mounts: tuple[ComposeMount, ...]
    conf: PurePosixPath | None
    """The configuration it reads, inside the tree."""
    recipe: PurePosixPath | None
    """The Dockerfile that copies that configuration into its image."""

    def inside(self, place: PurePosixPath) -> PurePosixPath | None:
        """Return the file of the tree that stands at `place` in the container, through a mount."""
        fitting = [item for item in self.mounts if place.is_relative_to(item.target)]
        best = max(fitting, key=lambda item: len(item.target.parts), default=None)
        if best is None or best.source is None:
            return None
        return best.source / place.relative_to(best.target)

    def covers(self, place: str) -> bool:
        """Return whether a mount of the service brings `place` into the container."""
        path = PurePosixPath(place)
        return any(path.is_relative_to(item.target) for item in self.mounts)

    @property
    def folder(self) -> PurePosixPath:
        """Return where the broker's files live: beside the configuration it reads."""
        return self.conf.parent if self.conf else self.compose.parent / self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What a further compose file gives a broker."""

    mounts: tuple[ComposeMount, ...]
    environment: Mapping[str, str]


def brokers(tree: Tree, path: PurePosixPath) -> tuple[Broker, ...] | Unresolved:
    """Return the mosquitto services of the compose file `path`, or why they cannot be told."""
    content = tree.read(path) or b""
    if b"mosquitto" not in content and b"mqtt" not in content:
        return ()
    try:
        services = compose.read(path, content)
    except YamlError as error:
        return Unresolved(path=path, reason=Reason.UNPARSABLE, detail=error.detail, line=error.line)
    whole = (item for item in services if is_base(path) or item.image or item.node.get("build"))
    found = (_broker(tree, service) for service in whole)
    return tuple(broker for broker in found if broker is not None)


def additions(tree: Tree, broker: Broker, conf: PurePosixPath) -> Additions:
    """Return what the compose file adds that lets `broker` read `conf` in place of its own."""
    for path in compose.files(tree):
        if path == broker.compose or path.parent != broker.compose.parent:
            continue
        for service in compose.services(path, tree.read(path) or b""):
            mounts = service.mounts if service.name == broker.name else ()
            if any(item.source == conf and item.target == CONFIG for item in mounts):
                return Additions(mounts=mounts, environment=service.variables)
    return Additions(mounts=(), environment={})


def _broker(tree: Tree, service: compose.ComposeService) -> Broker | None:
    dockerfile = service.recipe
    recipe = (tree.read(dockerfile) or b"") if dockerfile else b""
    mounted = any(item.target.name == "mosquitto.conf" for item in service.mounts)
    if not (mounted or b"mosquitto" in recipe or "mosquitto" in service.image):
        return None
    bare = Broker(
        compose=service.path,
        name=service.name,
        line=line_number(service.content, service.start),
        node=service.node,
        ports=tuple(port for port in service.ports if port.protocol == "tcp"),
        mounts=service.mounts,
        conf=None,
        recipe=None,
    )
    copied = _copied(service.build, recipe) if service.build else None
    return replace(
        bare, conf=bare.inside(CONFIG) or copied, recipe=dockerfile if copied is not None else None
    )


def _copied(build: PurePosixPath, recipe: bytes) -> PurePosixPath | None:
    for source, target in reversed(COPY.findall(recipe)):
        if PurePosixPath(target.decode("utf-8", "replace")) in {CONFIG, CONFIG.parent}:
            return compose.inside(build, "./" + source.decode("utf-8", "replace"))
    return None
