"""What an order's sample tests ask of a service: whether it speaks of it, and where it would."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.workorders.facts import Sample

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NAMES = ("identifier", "property_identifier", "shorthand_property_identifier", "type_identifier")
_TESTED = re.compile(r"(\.test|\.spec|\.d)\.ts$|(^|/)(tests?|__tests__)/")


def heard(tree: Tree, sample: Sample) -> tuple[bool, str] | None:
    """Return whether a service speaks of a sample's matter, and the place, `file:line (name)`.

    None where the service has no code.
    """
    service = PurePosixPath(sample.service)
    names = {path: dict(_names(tree.read(path) or b"")) for path in _sources(tree, service)}
    if not names:
        return None
    for path, found in names.items():
        spoken = [(line, name) for name, line in found.items() if _words(name) & sample.words]
        for line, name in sorted(spoken)[:1]:
            return True, f"{path}:{line} ({name})"
    return False, _where(names, sample)


def _where(names: Mapping[PurePosixPath, Mapping[str, int]], sample: Sample) -> str:
    path = next((path for path in names if path.name == sample.module), None)
    if path is None:
        return f"{sample.service}, which has no {sample.module}"
    owner = next((name for name in sample.owners if name in names[path]), None)
    return f"{path}:{names[path][owner]} ({owner})" if owner else str(path)


def _sources(tree: Tree, service: PurePosixPath) -> Iterable[PurePosixPath]:
    for path in below(tree, service):
        inside = str(path.relative_to(service))
        if inside.startswith("src/") and path.suffix == ".ts" and not _TESTED.search(inside):
            yield path


def _names(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield the names of a module with their lines, those that stand first last."""
    for node in reversed(list(typescript.find(typescript.parsed(content), *_NAMES))):
        yield typescript.text_of(node), int(node.start_point[0]) + 1


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}
