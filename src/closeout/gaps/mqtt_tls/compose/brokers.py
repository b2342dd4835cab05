"""Find the MQTT brokers of a compose file: ports, mounts, and the configuration they read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.compose import ComposeMount, Port, is_base
from closeout.formats.interpolation import unset
from closeout.fs.text_edit import line_number
from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT, BrokerConf, parse
from closeout.gaps.mqtt_tls.mosquitto.render import LISTENER
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.yaml import Node, YamlError

CONFIG = PurePosixPath("/mosquitto/config/mosquitto.conf")
CERTIFICATES = ("cafile", "certfile", "keyfile")
_LOCAL = ("127.", "[::1]", "localhost")
_CONF = frozenset({".conf"})
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
    settings: BrokerConf | None = None
    """What that configuration says, None where it is not in the tree."""

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

    @property
    def plain_ports(self) -> tuple[Port, ...]:
        """Return the published ports behind which its configuration speaks plaintext."""
        known = self.settings.listeners if self.settings else ()
        plain = {str(item.port) for item in known if not item.encrypted} if known else {"1883"}
        return tuple(port for port in self.ports if port.target in plain)

    @property
    def exposed_ports(self) -> tuple[Port, ...]:
        """Return the plaintext ports that others than this machine reach."""
        hosts = ((port, unset(port.host or port.published)) for port in self.plain_ports)
        return tuple(port for port, host in hosts if not host.startswith(_LOCAL))

    @property
    def lacks_tls_port(self) -> bool:
        """Return whether clients outside reach plaintext alone; one that has none is nobody's."""
        published = any(port.target == str(TLS_PORT) for port in self.ports)
        return bool(self.plain_ports) and not published

    def unmounted(self, *names: str) -> tuple[str, ...]:
        """Return the files that the TLS listener names by `names` and that no mount brings in."""
        secure = self.settings.secure if self.settings else ()
        paths = [item.value(name) for item in secure for name in names if item.value(name)]
        return tuple(path for path in paths if not self.covers(path))


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


def additions(
    tree: Tree, brokers: Iterable[Broker], conf: PurePosixPath
) -> Iterator[tuple[Broker, compose.ComposeService]]:
    """Yield each broker with what a compose file beside its own adds to it that mounts `conf`."""
    for service in compose.all_services(tree):
        for broker in brokers if any(item.source == conf for item in service.mounts) else ():
            is_beside = service.path.parent == broker.compose.parent
            if is_beside and service.path != broker.compose and service.name == broker.name:
                yield broker, service


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
