"""Check compose files as compose itself would read them: a base alone, an override on its base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.model import Tree
from closeout.parsing.yaml import Entry, Node, NodeKind, YamlError, find

_TOP = frozenset(
    {"name", "version", "services", "volumes", "networks", "secrets", "configs", "include"}
)
_IMAGE_KEYS = frozenset({"image", "build", "extends", "provider"})
_BUILT_IN_NETWORKS = frozenset({"default", "host", "none", "bridge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProblem:
    """One reason why compose refuses a file."""

    line: int
    message: str


def override_of(tree: Tree, path: PurePosixPath) -> PurePosixPath | None:
    """Return the override that compose reads together with `path`, where there is one."""
    for suffix in (".yml", ".yaml"):
        beside = path.with_name(f"{path.stem}.override{suffix}")
        if tree.read(beside) is not None:
            return beside
    return None


def problems(content: bytes, override: bytes | None = None) -> tuple[ComposeProblem, ...]:
    """Return why compose would refuse `content` with `override` laid over it, by line.

    Lines are those of `content`, except where the message names the override.
    """
    try:
        base = _services(content)
        added = {} if override is None else _services(override)
    except YamlError as error:
        return (ComposeProblem(line=error.line, message=error.detail),)
    merged = {name: (*base.get(name, ()), *added.get(name, ())) for name in {**base, **added}}
    found = [*_structure(content), *_references(content, override, merged)]
    return tuple(sorted(found, key=lambda item: (item.line, item.message)))


def published(content: bytes) -> Mapping[str, str]:
    """Return the service that publishes each host port; nothing for a file that is no YAML."""
    try:
        services = _services(content)
    except YamlError:
        return {}
    return {
        port.number: name
        for name, nodes in services.items()
        for node in nodes
        for port in compose.ports(_child(node, "ports"))
        if port.number
    }


def _services(content: bytes) -> dict[str, tuple[Node, ...]]:
    return {item.name: (item.node,) for item in compose.read(PurePosixPath(), content)}


def _structure(content: bytes) -> Iterator[ComposeProblem]:
    top = find(content)
    if top is None or top.kind is not NodeKind.MAPPING or top.get("services") is None:
        yield ComposeProblem(line=1, message="it declares no services")
        return
    for entry in top.entries:
        if entry.key not in _TOP and not str(entry.key).startswith("x-"):
            line = entry.value.line
            yield ComposeProblem(line=line, message=f"compose knows no top-level {entry.key!r}")
    yield from _doubled(top)
    for entry in _entries(top, "services"):
        if entry.value.kind is not NodeKind.MAPPING:
            message = f"service {entry.key!r} is no mapping"
            yield ComposeProblem(line=entry.value.line, message=message)


def _doubled(node: Node) -> Iterator[ComposeProblem]:
    waiting = [node]
    while waiting:
        held = waiting.pop()
        seen: set[str | int] = set()
        for entry in held.entries:
            if held.kind is NodeKind.MAPPING and entry.key in seen and entry.key != "<<":
                message = f"{entry.key!r} stands twice in one mapping"
                yield ComposeProblem(line=entry.value.line, message=message)
            seen.add(entry.key)
            if not entry.value.alias:
                waiting.append(entry.value)


def _references(
    content: bytes, override: bytes | None, merged: Mapping[str, tuple[Node, ...]]
) -> Iterator[ComposeProblem]:
    tops = [top for part in (content, override) if part and (top := find(part))]
    volumes, networks = (_declared(tops, key) for key in ("volumes", "networks"))
    ports: dict[str, str] = {}
    for name, nodes in merged.items():
        line = nodes[0].line
        if not any(_child(node, key) for node in nodes for key in _IMAGE_KEYS):
            yield ComposeProblem(line=line, message=f"{name} has neither an image nor a build")
        for node in nodes:
            for wanted, known, what in (
                (_names(node, "depends_on"), set(merged), "service"),
                (_named_volumes(node), volumes, "volume"),
                (_names(node, "networks"), networks | _BUILT_IN_NETWORKS, "network"),
            ):
                for missing in sorted(wanted - known):
                    message = f"{name} refers to the {what} {missing}, which is declared nowhere"
                    yield ComposeProblem(line=node.line, message=message)
            for port in compose.ports(_child(node, "ports")):
                holder = ports.setdefault(port.number, name) if port.number else name
                if holder != name:
                    message = f"{name} publishes port {port.number}, which is {holder}'s"
                    yield ComposeProblem(line=port.node.line, message=message)


def _declared(tops: list[Node], key: str) -> set[str]:
    return {str(entry.key) for top in tops for entry in _entries(top, key)}


def _names(node: Node, key: str) -> set[str]:
    held = _child(node, key)
    if held is None:
        return set()
    if held.kind is NodeKind.MAPPING:
        return {str(entry.key) for entry in held.entries}
    return set(held.scalars())


def _named_volumes(node: Node) -> set[str]:
    mounts = compose.mounts(PurePosixPath(), _child(node, "volumes"))
    return {item.volume for item in mounts if item.volume}


def _entries(node: Node, key: str) -> tuple[Entry, ...]:
    held = _child(node, key)
    return held.entries if held else ()


def _child(node: Node, key: str) -> Node | None:
    """Return the value below `key`, one merged in by `<<` included."""
    own = node.get(key)
    merged = node.get("<<")
    if own is not None or merged is None:
        return own
    parts = (
        [item.value for item in merged.entries] if merged.kind is NodeKind.SEQUENCE else [merged]
    )
    return next((found for part in parts if (found := part.get(key))), None)
