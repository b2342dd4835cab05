"""Locate the compose services that are built from given folders, and what they hand on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.model import Edit, Tree
from closeout.parsing.yaml import Kind, Node, YamlError, append, find

FILES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_YAML = frozenset({".yml", ".yaml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The `environment` of the compose service `name` that is built from the folder `service`."""

    path: PurePosixPath
    name: str
    service: PurePosixPath
    content: bytes
    node: Node

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it sets or hands on."""
        if self.node.kind is Kind.MAPPING:
            return frozenset(str(entry.key) for entry in self.node.entries)
        return frozenset(entry.value.text.split("=", 1)[0].strip() for entry in self.node.entries)

    def added(self, settings: Mapping[str, str | None]) -> Splice:
        """Return the splice that adds the settings in the block's own manner.

        A value is text; None hands on what the caller's environment says, and nothing where it
        says nothing.
        """
        written = [self._written(name, value) for name, value in settings.items()]
        text = (", " if self.node.flow else "\n").join(written)
        return append(self.content, self.node).splice(text)

    def _written(self, name: str, value: str | None) -> str:
        if self.node.kind is Kind.MAPPING:
            quoted = f'"{value}"' if self.node.flow else value
            return f"{name}: {quoted}" if value is not None else f"{name}:" + " " * self.node.flow
        text = name if value is None else f"{name}={value}"
        return f'"{text}"' if self.node.flow and value is not None else f"{self._dash}{text}"

    @property
    def _dash(self) -> str:
        return "" if self.node.flow else "- "


def compose_files(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return every compose file that stands by itself."""
    return tuple(path for path in tree.ending(_YAML) if path.name in FILES)


def environments(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Environment]:
    """Yield the environments of the compose services that are built from `services`.

    One that is taken from a file or from another place of the document is left out.
    """
    for path in compose_files(tree):
        content = tree.read(path)
        if content is None or not any(item.name.encode() in content for item in services):
            continue
        for name, block in blocks(content):
            node = block.get("environment")
            folder = _built_from(path, name, block)
            if node is None or node.kind is Kind.SCALAR or node.alias or folder not in services:
                continue
            if block.get("env_file") is None:
                yield Environment(path=path, name=name, service=folder, content=content, node=node)


def handed_on(
    tree: Tree, added: Iterable[tuple[Environment, Mapping[str, str | None]]]
) -> Iterator[Edit]:
    """Yield one edit a file that adds the settings, as `Environment.added` writes them."""
    splices: dict[PurePosixPath, list[Splice]] = {}
    for environment, settings in added:
        splices.setdefault(environment.path, []).append(environment.added(settings))
    for path, items in sorted(splices.items()):
        before = tree.read(path) or b""
        yield Edit(path=path, before=before, after=splice(before, items), mode=tree.mode(path))


def assignments(environment: Node | None) -> Iterator[tuple[Node, str, str]]:
    """Yield the value, name and text of each setting, those of merged mappings included.

    A name that is handed on without a value has an empty text.
    """
    # Each mapping once: merged into each other nine times over, a few lines are endless.
    waiting = [] if environment is None else [environment]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node.entries) in seen:
            continue
        seen.add(id(node.entries))
        is_list = node.kind is Kind.SEQUENCE
        for entry in node.entries:
            if entry.key == "<<" or (is_list and entry.value.entries):
                waiting.append(entry.value)
            elif is_list:
                name, _, text = entry.value.text.partition("=")
                yield entry.value, name.strip(), text
            else:
                yield entry.value, str(entry.key), entry.value.text


def blocks(content: bytes) -> Iterator[tuple[str, Node]]:
    """Yield every service of a compose file with its name; nothing where it is no YAML."""
    try:
        top = find(content, "services")
    except YamlError:
        return
    for entry in top.entries if top is not None else ():
        yield str(entry.key), entry.value


def _built_from(path: PurePosixPath, name: str, block: Node) -> PurePosixPath:
    build = block.get("build")
    context = build if build is None or build.kind is Kind.SCALAR else build.get("context")
    return path.parent / PurePosixPath(context.text if context is not None else name)
