"""Find the MQTT brokers of a compose file: ports, mounts, and the configuration they read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.fs.text_edit import line_number
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing.yaml import Entry, Kind, Node, YamlError, find

CONFIG = PurePosixPath("/mosquitto/config/mosquitto.conf")
_COMPOSE = re.compile(r"(docker-)?compose([.-][\w.-]+)?\.ya?ml")
_YAML = frozenset({".yml", ".yaml"})
_BASE = re.compile(r"(docker-)?compose\.ya?ml")
_COPY = re.compile(rb"^(?:COPY|ADD)\s+(?:--\S+\s+)*(\S+)\s+(\S+)\s*$", re.MULTILINE)
_SHORT_PORT = re.compile(r"(?:(?P<host>.+):)?(?P<published>[^:]+):(?P<target>\d+)(?:/tcp)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One published port; `host` is empty where every address is meant."""

    host: str
    published: str
    target: str
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One bind mount; `source` is inside the tree, or None where it cannot be told."""

    source: PurePosixPath | None
    target: PurePosixPath
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One mosquitto service of a compose file."""

    compose: PurePosixPath
    name: str
    line: int
    node: Node
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]
    conf: PurePosixPath | None
    """The configuration it reads, inside the tree."""

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

    mounts: tuple[Mount, ...]
    environment: Mapping[str, str]


def compose_files(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return every compose file's path."""
    return tuple(path for path in tree.ending(_YAML) if _COMPOSE.fullmatch(path.name))


def is_base(path: PurePosixPath) -> bool:
    """Return whether a compose file stands by itself by name; others add to one."""
    return bool(_BASE.fullmatch(path.name))


def brokers(tree: Tree, path: PurePosixPath) -> tuple[Broker, ...] | Unresolved:
    """Return the mosquitto services of the compose file `path`, or why they cannot be told."""
    content = tree.read(path) or b""
    if b"mosquitto" not in content and b"mqtt" not in content:
        return ()
    try:
        services = find(content, "services")
    except YamlError as error:
        return Unresolved(path=path, reason=Reason.UNPARSABLE, detail=error.detail, line=error.line)
    found = []
    for entry in services.entries if services else ():
        whole = is_base(path) or entry.value.get("image") or entry.value.get("build")
        broker = _broker(tree, path, entry) if whole else None
        if broker is not None:
            found.append(broker)
    return tuple(found)


def additions(tree: Tree, broker: Broker, conf: PurePosixPath) -> Additions:
    """Return what the compose file adds that lets `broker` read `conf` in place of its own."""
    for path in compose_files(tree):
        if path == broker.compose or path.parent != broker.compose.parent:
            continue
        with suppress(YamlError):
            node = find(tree.read(path) or b"", "services", broker.name)
            mounts = tuple(_mounts(path, node.get("volumes"))) if node else ()
            if node and any(item.source == conf and item.target == CONFIG for item in mounts):
                return Additions(mounts=mounts, environment=_environment(node))
    return Additions(mounts=(), environment={})


def _environment(service: Node) -> dict[str, str]:
    node = service.get("environment")
    if node is None:
        return {}
    if node.kind is Kind.MAPPING:
        return {str(entry.key): entry.value.text for entry in node.entries}
    pairs = (entry.value.text.partition("=") for entry in node.entries)
    return {name: value for name, _, value in pairs}


def _broker(tree: Tree, path: PurePosixPath, entry: Entry) -> Broker | None:
    node = entry.value
    mounts = tuple(_mounts(path, node.get("volumes")))
    build = _build_folder(path, node.get("build"))
    recipe = (tree.read(build / "Dockerfile") or b"") if build else b""
    image = node.get("image")
    mounted = any(item.target.name == "mosquitto.conf" for item in mounts)
    if not (mounted or b"mosquitto" in recipe or (image and "mosquitto" in image.text)):
        return None
    bare = Broker(
        compose=path,
        name=str(entry.key),
        line=line_number(tree.read(path) or b"", entry.start),
        node=node,
        ports=tuple(_ports(node.get("ports"))),
        mounts=mounts,
        conf=None,
    )
    conf = bare.inside(CONFIG) or (_copied(build, recipe) if build else None)
    return replace(bare, conf=conf)


def _ports(node: Node | None) -> list[Port]:
    found = []
    for entry in node.entries if node else ():
        item = entry.value
        if item.kind is Kind.MAPPING:
            words = [item.get(key) for key in ("host_ip", "published", "target")]
            host, published, target = (word.text if word else "" for word in words)
            found.append(Port(host=host, published=published, target=target, node=item))
        elif short := _SHORT_PORT.fullmatch(item.text):
            found.append(
                Port(
                    host=short["host"] or "",
                    published=short["published"],
                    target=short["target"],
                    node=item,
                )
            )
    return found


def _mounts(path: PurePosixPath, node: Node | None) -> list[Mount]:
    found = []
    for entry in node.entries if node else ():
        item = entry.value
        if item.kind is Kind.MAPPING:
            words = [item.get(key) for key in ("source", "target")]
            source, target = (word.text if word else "" for word in words)
        else:
            source, _, rest = item.text.partition(":")
            target = rest.partition(":")[0]
        if target:
            inside = _inside(path.parent, source)
            found.append(Mount(source=inside, target=PurePosixPath(target), node=item))
    return found


def _build_folder(path: PurePosixPath, node: Node | None) -> PurePosixPath | None:
    context = node.get("context") if node and node.kind is Kind.MAPPING else node
    if context is None or not context.text:
        return None
    text = context.text if context.text.startswith(".") else f"./{context.text}"
    return _inside(path.parent, text)


def _copied(build: PurePosixPath, recipe: bytes) -> PurePosixPath | None:
    for source, target in reversed(_COPY.findall(recipe)):
        if PurePosixPath(target.decode("utf-8", "replace")) in {CONFIG, CONFIG.parent}:
            return _inside(build, "./" + source.decode("utf-8", "replace"))
    return None


def _inside(folder: PurePosixPath, text: str) -> PurePosixPath | None:
    """Return a bind source as a path of the tree; None for volumes, variables and outside."""
    if not text.startswith(".") or "$" in text:
        return None
    joined = posixpath.normpath(f"{folder}/{text}")
    return None if joined.startswith("..") else PurePosixPath(joined)
