"""Find who talks to a tree's brokers: the services that compose starts, and devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.gaps.mqtt_tls.access.topics import Topic, topics
from closeout.model import Tree

_SUFFIXES = (".py", ".ts", ".js", ".mts", ".cts", ".mjs", ".cjs")
_NO_CLIENT = re.compile(r"\.(d|min|test|spec)$|^test_|_test$|^conftest$|mock", re.IGNORECASE)
_SPEAKS = question(
    _SUFFIXES,
    lambda content: holds_in_any_case(content, (b"mqtt",)),
    lambda path: not _NO_CLIENT.search(path.stem) and "node_modules" not in path.parts,
)
_CONNECTION = re.compile(rb"\b(?:mqtt(?:\.default)?\.connect(?:Async)?|mqtt\.Client)\s*\(")
_TLS = re.compile(r"\bmqtts://|\bwss://|:8883\b")
_ASIDE = frozenset({"tests", "test", "scripts", "tools", "examples", "mocks"})
"""Folders of programs that a person starts, beside those that always run."""
_MANIFESTS = ("package.json", "pyproject.toml", "requirements.txt", "Dockerfile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Where the tree tells a client what to dial, or has a client that may be told."""

    who: str
    """The compose service, or empty for a device."""
    path: PurePosixPath
    told: str
    """The variable, where compose sets one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """What the clients of a tree do on its brokers."""

    services: Mapping[str, tuple[Topic, ...]] = field(default_factory=dict)
    """Topics by the compose service, whose name its certificate carries."""
    devices: tuple[Topic, ...] = ()
    several: tuple[str, ...] = ()
    """Who connects more than once under one name, by service, or by folder for devices."""
    dials: tuple[Dial, ...] = ()
    """Who speaks plaintext now, services first."""


def callers(tree: Tree, brokers: Iterable[str]) -> Callers:
    """Return who talks to the brokers that compose calls by these names."""
    told = tuple(_services(tree, frozenset(brokers)))
    homes = {service.folder: service.name for service, _ in told}
    found: dict[str, dict[Topic, None]] = {name: {} for name in homes.values()}
    devices: dict[Topic, None] = {}
    connections: dict[PurePosixPath, int] = {}
    dials = {
        Dial(who=service.name, path=service.path, told=variable): None
        for service, variable in told
        if not _TLS.search(service.variables[variable])
    }
    for path in sorted(tree.candidates(_SPEAKS)):
        content = tree.read(path) or b""
        home = next((folder for folder in path.parents if folder in homes), None)
        spoken = topics(path, content)
        if home is None:
            devices |= dict.fromkeys(spoken)
        else:
            mine = (Topic(name=item.name.replace("%u", "+"), access=item.access) for item in spoken)
            found[homes[home]] |= dict.fromkeys(mine)
        if _ASIDE.isdisjoint(path.parts) and (opened := len(_CONNECTION.findall(content))):
            place = home or _program(tree, path)
            connections[place] = connections.get(place, 0) + opened
        if home is None and _CONNECTION.search(content):
            dials[Dial(who="", path=_program(tree, path), told="")] = None
    return Callers(
        services={name: tuple(held) for name, held in sorted(found.items())},
        devices=tuple(devices),
        several=tuple(_several(homes, connections)),
        dials=tuple(dials),
    )


def _several(
    homes: Mapping[PurePosixPath, str], connections: Mapping[PurePosixPath, int]
) -> Iterator[str]:
    """Yield who needs more than one connection; two programs of one device share its name."""
    yield from (
        homes[place] for place, opened in connections.items() if place in homes and opened > 1
    )
    programs = [place for place in connections if place not in homes]
    if sum(connections[place] for place in programs) > 1:
        yield from (str(place) for place in programs)


def _services(tree: Tree, brokers: frozenset[str]) -> Iterator[tuple[compose.ComposeService, str]]:
    """Yield the services that are told where a broker is, each with the variable that tells it."""
    dialled = re.compile(
        "|".join([r"\bmqtts?://", *(rf"\b{re.escape(name)}\b" for name in brokers)])
    )
    for service in compose.all_services(tree):
        for variable, value in service.variables.items():
            if service.name not in brokers and dialled.search(value):
                yield service, variable


def _program(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    """Return the folder of the program that a source belongs to."""
    for folder in path.parents:
        if any(tree.read(folder / name) is not None for name in _MANIFESTS):
            return folder
    return path.parent
