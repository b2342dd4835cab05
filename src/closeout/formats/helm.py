"""Locate the charts of services, and what their values hand to the processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing.yaml import Node, NodeKind, YamlError, append, find

PLAIN, SECRET = "env", "secretEnv"
"""The keys under which values list plain variables, and those that come from a secret."""
_YAML = frozenset({".yaml", ".yml"})
_USUAL = "values.yaml"
_LISTED = re.compile(
    r"(?m)^[ \t]+-[ \t]+name:[ \t]*[\"']?(?P<name>[A-Z][A-Z0-9_]*)[\"']?[ \t]*\r?\n"
    r"[ \t]+value(?P<from>From)?:[ \t]*(?P<value>[^\r\n]*)"
)
_WHOLE = re.compile(rb"envFrom:(?:[^\n]*\n)(?:[ \t-]+[^\n]*\n)*?[ \t-]+(?:secret|configMap)Ref:")
_OBJECT = re.compile(rb"(?m)^kind:[ \t]*[\"']?(?P<kind>Secret|ConfigMap)\b")
_KEPT = re.compile(r"(?m)^[ \t]+(?P<name>[A-Z][A-Z0-9_]*):[ \t]*(?P<value>[^\r\n]*)")
_VALUE = re.compile(r"\{\{-?[ \t]*\.Values\.(\w+(?:\.\w+)*)[^}]*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ServiceChart:
    """A chart that starts the service in the folder `service`."""

    folder: PurePosixPath
    service: PurePosixPath

    @property
    def values(self) -> PurePosixPath:
        """Return the values that every release of it starts from."""
        return self.folder / _USUAL


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


def charts(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[ServiceChart]:
    """Yield the charts that start one of the services, wherever they stand.

    A chart is a service's where it stands in its folder, carries its name, or has its image.
    """
    named = {path.parent for path in tree.ending(_YAML) if path.name == "Chart.yaml"}
    usual = {each for service in services for each in _usual(service)}
    found = {each for each in usual if tree.read(each / _USUAL) is not None} | named
    for folder in sorted(found):
        is_part = folder.parent.name == "charts" and folder.parents[1] in found
        for service in sorted(services):
            if _is_of(tree, folder, service, is_part=is_part):
                yield ServiceChart(folder=folder, service=service)


def _usual(service: PurePosixPath) -> tuple[PurePosixPath, PurePosixPath]:
    return service / "helm", PurePosixPath("helm") / service.name


def _is_of(tree: Tree, folder: PurePosixPath, service: PurePosixPath, *, is_part: bool) -> bool:
    """Return whether a chart starts a service; one that is part of another does by its name."""
    inside = bool(service.parts) and folder.is_relative_to(service) and not is_part
    if inside or folder.name == service.name or folder in _usual(service):
        return True
    image = value(tree.read(folder / _USUAL) or b"", "image", "repository")
    return image is not None and PurePosixPath(image.text).name == service.name


def values_files(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[PurePosixPath]:
    """Yield the values of the services' charts."""
    for chart in charts(tree, services):
        if tree.read(chart.values) is not None:
            yield chart.values


def staged_values(tree: Tree, chart: ServiceChart) -> Iterator[PurePosixPath]:
    """Yield the chart's usual values, then those of a stage that are laid over them."""
    beside = (path for path in below(tree, chart.folder) if path.parent == chart.folder)
    named = (path for path in beside if path.suffix in _YAML and path.name.startswith("values"))
    yield from sorted(named, key=lambda path: (path.stem != "values", path))


def templates(tree: Tree, chart: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield the templates of objects of the chart in a folder."""
    yield from (path for path in below(tree, chart / "templates") if path.suffix in _YAML)


def value(content: bytes, *keys: str) -> Node | None:
    """Return what values hold below `keys`, None where that is nothing or they do not parse."""
    try:
        return find(content, *keys)
    except YamlError:
        return None


def variables(tree: Tree, services: frozenset[PurePosixPath], key: str) -> Iterator[Variables]:
    """Yield the mappings under `key`; none where it is empty, inline or no mapping."""
    for chart in charts(tree, services):
        content = tree.read(chart.values) or b""
        node = value(content, key)
        if node is not None and node.kind is NodeKind.MAPPING and not node.flow and node.entries:
            yield Variables(path=chart.values, service=chart.service, content=content, node=node)


def listed(content: bytes, key: str) -> Iterator[tuple[str, str | None]]:
    """Yield the name and text of each variable that values list under `key`, in either form.

    The text is None where the value comes from elsewhere, such as a Secret.
    """
    node = value(content, key)
    for entry in node.entries if node is not None else ():
        held, name = entry.value, str(entry.key)
        if isinstance(entry.key, int):
            if (named := held.get("name")) is None:
                continue
            name, text = named.text, held.get("value")
        else:
            text = held if held.kind is NodeKind.SCALAR else held.get("value")
        yield name, text.text if text is not None else None


def templated(tree: Tree, chart: ServiceChart) -> Iterator[tuple[str, str | None]]:
    """Yield the variables that a chart's templates list themselves, as `listed` does.

    What the pods take whole, a Secret or a ConfigMap that the chart makes, is listed too.
    """
    contents = [tree.read(path) or b"" for path in templates(tree, chart.folder)]
    values = tree.read(chart.values) or b""
    for content in contents:
        for match in _LISTED.finditer(content.decode("utf-8", "replace")):
            yield match["name"], None if match["from"] else _resolved(values, match["value"])
    is_whole = any(_WHOLE.search(content) for content in contents)
    for content in contents if is_whole else ():
        if (kind := _OBJECT.search(content)) is not None:
            for match in _KEPT.finditer(content.decode("utf-8", "replace")):
                secret = kind["kind"] == b"Secret"
                yield match["name"], None if secret else _resolved(values, match["value"])


def _resolved(values: bytes, text: str) -> str:
    """Return a template's value, with what it takes of the chart's usual values."""

    def held(match: re.Match[str]) -> str:
        node = value(values, *match[1].split("."))
        return node.text if node is not None else ""

    return _VALUE.sub(held, text.strip()).strip("\"'")
