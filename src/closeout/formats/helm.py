"""Locate what the Helm values of services hand to their processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.model import Tree
from closeout.parsing.yaml import Node, NodeKind, YamlError, append, find

PLAIN, SECRET = "env", "secretEnv"
"""The keys under which values list plain variables, and those that come from a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """A mapping of variables in the values of the service in the folder `service`."""

    path: PurePosixPath
    service: PurePosixPath
    content: bytes
    node: Node

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it lists."""
        return frozenset(str(entry.key) for entry in self.node.entries)

    def added(self, text: str) -> Splice:
        """Return the splice that adds `text`, YAML without indentation, below the others."""
        return append(self.content, self.node).splice(text)


def values_files(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[PurePosixPath]:
    """Yield the values of the services' charts."""
    for service in sorted(services):
        path = service / "helm" / "values.yaml"
        if tree.read(path) is not None:
            yield path


def variables(tree: Tree, services: frozenset[PurePosixPath], key: str) -> Iterator[Variables]:
    """Yield the mappings under `key`; none where it is empty, inline or no mapping."""
    for path in values_files(tree, services):
        content = tree.read(path) or b""
        try:
            node = find(content, key)
        except YamlError:
            continue
        if node is not None and node.kind is NodeKind.MAPPING and not node.flow and node.entries:
            yield Variables(path=path, service=path.parents[1], content=content, node=node)


def listed(content: bytes, key: str) -> Iterator[tuple[str, str | None]]:
    """Yield the name and text of each variable that values list under `key`, in either form.

    The text is None where the value comes from elsewhere, such as a Secret.
    """
    try:
        node = find(content, key)
    except YamlError:
        return
    for entry in node.entries if node is not None else ():
        held, name = entry.value, str(entry.key)
        if isinstance(entry.key, int):
            if (named := held.get("name")) is None:
                continue
            name, value = named.text, held.get("value")
        else:
            value = held if held.kind is NodeKind.SCALAR else held.get("value")
        yield name, value.text if value is not None else None
