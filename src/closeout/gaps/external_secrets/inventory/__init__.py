"""Know every secret variable of every service, with the places that name it.

`inventory` reads compose files, env examples, Helm values and code. It looks at names and at the
shape of values; no value is kept, so nothing that prints an inventory can leak one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import unparsable
from closeout.formats.compose import may_be_compose
from closeout.formats.env_examples import is_example
from closeout.fs.once import once
from closeout.fs.prefilter import question
from closeout.gaps.external_secrets.inventory.code import (
    in_python,
    in_schema,
    in_typescript,
    module_may_read,
    script_may_read,
)
from closeout.gaps.external_secrets.inventory.declared import in_chart, in_compose, in_env_example
from closeout.gaps.external_secrets.inventory.names import Mention
from closeout.harness.service_discovery import LAYERS
from closeout.model import Tree, Unresolved
from closeout.parsing.node_sources import LEFT_OUT

_TEST_ENDINGS = (".test", ".spec", ".d")
_SETTINGS = frozenset(
    {".yml", ".yaml", ".prisma", ".env"} | {".example", ".sample", ".template", ".tmpl", ".dist"}
)
SCRIPTED = frozenset({".ts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVariable:
    """A secret that one service takes from its environment."""

    service: str
    name: str
    places: tuple[Mention, ...]

    @property
    def literal(self) -> bool:
        """Return whether any place holds a usable value."""
        return any(place.literal for place in self.places)

    @property
    def fallback(self) -> bool:
        """Return whether any place falls back to a usable value."""
        return any(place.fallback for place in self.places)

    @property
    def is_development(self) -> bool:
        """Return whether its name says that production has no use for it."""
        return "DEV" in self.name.split("_")

    @property
    def is_of_developers(self) -> bool:
        """Return whether only tools and what developers start name it."""
        return all(place.is_development for place in self.places)


@once
def inventory(tree: Tree) -> tuple[SecretVariable, ...]:
    """Return every secret variable of every service, sorted by service and name."""
    known = services(tree)
    found: dict[tuple[str, str], set[Mention]] = defaultdict(set)
    for path in (
        *tree.ending(_SETTINGS),
        *tree.candidates(_READINGSCRIPTED),
        *tree.candidates(_READING_MODULES),
    ):
        read = _reader(path, known)
        content = tree.read(path) if read else None
        if read is None or content is None:
            continue
        for service, mention in read(content):
            found[service, mention.name].add(replace(mention, path=path))
    return tuple(
        SecretVariable(service=service, name=name, places=tuple(sorted(places, key=_order)))
        for (service, name), places in sorted(found.items())
    )


def unread_modules(tree: Tree) -> tuple[Unresolved, ...]:
    """Return the modules and scripts that may ask for a secret and cannot be read."""
    return (
        *unparsable.among(tree, tree.candidates(_READING_MODULES)),
        *unparsable.scripts(tree, tree.candidates(_READINGSCRIPTED)),
    )


def services(tree: Tree) -> frozenset[str]:
    """Return the names of the folders that stand directly in a layer."""
    return frozenset(path.parts[1] for path in tree.paths() if _is_in_service(path))


def _is_in_service(path: PurePosixPath) -> bool:
    parts = path.parts
    return len(parts) > 2 and parts[0] in LAYERS  # noqa: PLR2004 - layer, service and a file


def _order(place: Mention) -> tuple[str, int, str]:
    return (str(place.path), place.line, place.origin.value)


_Reader = Callable[[bytes], Iterable[tuple[str, Mention]]]


def _reader(path: PurePosixPath, known: frozenset[str]) -> _Reader | None:
    if may_be_compose(path):
        return lambda content: in_compose(content, path, known)
    service = _owner(path, known)
    if service is None:
        return None
    read = _service_reader(path)
    return None if read is None else lambda content: ((service, item) for item in read(content))


def _owner(path: PurePosixPath, known: frozenset[str]) -> str | None:
    if _is_in_service(path):
        return path.parts[1]
    named = [part for part in path.parts[:-1] if part in known]
    return named[-1] if named and path.name.startswith("values") else None


def _service_reader(path: PurePosixPath) -> Callable[[bytes], Iterable[Mention]] | None:
    if path.suffix in {".yml", ".yaml"}:
        return _yaml_reader(path)
    if is_example(path):
        return in_env_example
    if _is_test(path):
        return None
    if path.suffix in SCRIPTED:
        return lambda content: in_typescript(content, is_plain=path.suffix == ".ts")
    if path.suffix == ".py":
        return in_python
    return in_schema if path.suffix == ".prisma" else None


def _is_test(path: PurePosixPath) -> bool:
    tested = path.stem.endswith(_TEST_ENDINGS) or path.name.startswith(("test_", "conftest"))
    return tested or not LEFT_OUT.isdisjoint(path.parts)


def _may_be_read(path: PurePosixPath) -> bool:
    return (_is_in_service(path) or path.name.startswith("values")) and not _is_test(path)


_READINGSCRIPTED = question(SCRIPTED, script_may_read, _may_be_read)
_READING_MODULES = question((".py",), module_may_read, _may_be_read)


def _yaml_reader(path: PurePosixPath) -> Callable[[bytes], Iterable[Mention]] | None:
    if path.name.startswith("values") and "templates" not in path.parts:
        return in_chart
    return in_schema if path.stem == "profiles" else None
