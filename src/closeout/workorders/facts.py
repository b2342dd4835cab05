"""The shapes of what an order says about a tree, so that it can be held against one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Engine(Enum):
    """What takes or refuses a fix that an order prints."""

    POSTGRES = "PostgreSQL"
    KUBERNETES = "an API server"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLine:
    """A place that the order names by file and line, and the gap that it says is there."""

    path: str
    line: int
    gap: str
    criterion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Where a coverage floor would stand; with one, the order's command can fail."""

    files: tuple[str, ...]
    """Paths with `*` for anything."""
    pattern: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCommand:
    """A check of the order's test plan; `idle` says why it cannot fail."""

    name: str
    criterion: str
    idle: str
    port: str = ""
    service: str = ""
    """The compose service that the port is meant to reach."""
    floor: Floor | None = None
    probe: str = ""
    """A probe that asks what the command asks, and the one that asks what it should."""
    counterpart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A fix that the order prints, as the smallest text that its engine can take or refuse."""

    name: str
    criterion: str
    engine: Engine
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPackage:
    """A package that a fix of the order imports, and the manifest that must name it."""

    name: str
    manifest: str
    criterion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Something that the order's sample tests ask of a TypeScript service."""

    name: str
    criterion: str
    service: str
    module: str
    """The file in which it would stand; `owners` are its functions that would have it."""
    owners: tuple[str, ...]
    words: frozenset[str]
    """Words of which a name in the service's code has one where the service has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """Everything of one order that can be held against a tree."""

    named: tuple[NamedLine, ...]
    commands: tuple[OrderCommand, ...]
    fixes: tuple[Fix, ...]
    packages: tuple[OrderPackage, ...]
    samples: tuple[Sample, ...] = ()
