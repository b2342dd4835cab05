"""Read compose files: which these are, their services, and what each service is given, by place."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from closeout.formats.interpolation import REFERENCE, unset
from closeout.fs.once import once
from closeout.fs.text_edit import Splice
from closeout.model import Tree
from closeout.parsing.memo import on_trial
from closeout.parsing.yaml import Node, NodeKind, YamlError, append, find

_YAML = frozenset({".yml", ".yaml"})
_BASE = re.compile(r"(docker-)?compose\.ya?ml")
_FILE = re.compile(r"(docker-)?compose([.-][\w.-]+)?\.ya?ml")
_COLON = re.compile(rf":(?!(?:[^{{}}]|{REFERENCE})*\}})")
"""What divides the short form of a port or mount; the colon of `${PORT:-5130}` does not."""
_HEAD = re.compile(
    rb"environment:(?:[ \t]*(?:~|null|(\*[\w.-]+)))?([ \t]*(?:#[^\r\n]*)?)(?=\r?$)", re.MULTILINE
)
_VOLUME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One published port; `host` is empty where every address is meant."""

    host: str
    published: str
    target: str
    protocol: str
    node: Node

    @property
    def number(self) -> str:
        """Return the one host port, a variable's default included; empty for a range."""
        number = unset(self.published)
        return number if number.isdecimal() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeMount:
    """One mount; `source` is inside the tree, or None where it cannot be told."""

    source: PurePosixPath | None
    volume: str
    """The named volume that it brings, empty for anything else."""
    target: PurePosixPath


@dataclass(frozen=True, kw_only=True)
class ComposeService:
    """One service of the compose file `path`, whose bytes are `content`; `start` is its key's.

    While the file stays the same it is the same object, so what it found out is kept.
    """

    path: PurePosixPath
    content: bytes
    name: str
    start: int
    node: Node

    @cached_property
    def context(self) -> str:
        """Return what it says it is built from, empty where it says nothing."""
        build = self.node.get("build")
        held = build if build is None or build.kind is NodeKind.SCALAR else build.get("context")
        return held.text if held is not None else ""

    @cached_property
    def build(self) -> PurePosixPath | None:
        """Return the folder it is built from; None for an image and outside of the tree."""
        is_inside = self.context and not self.context.startswith("/")
        return inside(self.path.parent, f"./{self.context}") if is_inside else None

    @cached_property
    def recipe(self) -> PurePosixPath | None:
        """Return its Dockerfile; None where it is built from none of the tree."""
        named = self.node.said("build", "dockerfile") or "Dockerfile"
        return self.build and inside(self.build, f"./{named}")

    @property
    def said(self) -> str:
        """Return what it says of where and how it starts."""
        held = [self.node.get(key) for key in ("working_dir", "entrypoint", "command")]
        return "\n".join(
            text for node in held if node is not None for text in (node.text, *node.scalars())
        )

    @cached_property
    def folder(self) -> PurePosixPath:
        """Return the folder it is built from, without one that of its name."""
        return self.build or self.path.parent / (self.context or self.name)

    @property
    def image(self) -> str:
        """Return the image it names, empty where it names none."""
        return self.node.said("image")

    @property
    def environment(self) -> Node | None:
        """Return its `environment`."""
        return self.node.get("environment")

    @cached_property
    def env_files(self) -> tuple[PurePosixPath, ...]:
        """Return the files of the tree, there or not, that it takes variables from."""
        node = self.node.get("env_file")
        entries = node.entries if node is not None else ()
        texts = [node.text] if node is not None and node.kind is NodeKind.SCALAR else []
        for entry in entries:
            held = entry.value.get("path") if entry.value.kind is NodeKind.MAPPING else entry.value
            texts += [held.text] if held is not None else []
        places = (inside(self.path.parent, f"./{text}") for text in texts if text[:1] != "/")
        return tuple(place for place in places if place is not None)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Return the text of each variable that it sets or, empty, hands on."""
        found: dict[str, str] = {}
        for _, name, text in self.assignments():
            found.setdefault(name, text)
        return found

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Return the ports that it publishes where it says which."""
        return ports(self.node.get("ports"))

    @cached_property
    def mounts(self) -> tuple[ComposeMount, ...]:
        """Return its mounts."""
        return mounts(self.path, self.node.get("volumes"))

    def assignments(self) -> Iterator[tuple[Node, str, str]]:
        """Yield the value, name and text of each variable, those of merged mappings included.

        A name that is handed on without a value has an empty text.
        """
        # Each mapping once: merged into each other nine times over, a few lines are endless.
        waiting = [] if self.environment is None else [self.environment]
        seen: set[int] = set()
        while waiting:
            node = waiting.pop()
            if id(node.entries) in seen:
                continue
            seen.add(id(node.entries))
            is_list = node.kind is NodeKind.SEQUENCE
            for entry in node.entries:
                if entry.key == "<<" or (is_list and entry.value.entries):
                    waiting.append(entry.value)
                elif is_list:
                    name, _, text = entry.value.text.partition("=")
                    yield entry.value, name.strip(), text
                else:
                    yield entry.value, str(entry.key), entry.value.text

    def added(self, variables: Mapping[str, str | None]) -> Splice:
        """Return the splice that adds variables to its environment, in the block's own manner.

        A value is text; None hands on what the caller's environment says, and nothing where it
        says nothing. A block that is missing, empty or another place's is written anew: raises
        ValueError where that other place holds a list.
        """
        node = self.environment
        if node is not None and node.kind is not NodeKind.SCALAR and not node.alias:
            written = [_written(node, name, value) for name, value in variables.items()]
            return append(self.content, node).splice((", " if node.flow else "\n").join(written))
        if self.node.flow:
            pairs = [
                f'{name}: "{value}"' if value else f"{name}: " for name, value in variables.items()
            ]
            return append(self.content, self.node).splice(f"environment: {{{', '.join(pairs)}}}")
        lines = [f"{name}: {value}" if value else f"{name}:" for name, value in variables.items()]
        if node is None:
            return append(self.content, self.node).splice("\n  ".join(["environment:", *lines]))
        head = self._environment_head(node)
        lines = [f"<<: {head[1].decode()}", *lines] if head[1] else lines
        step = "\n" + " " * (self.node.indent + 2)
        text = step.join([f"environment:{head[2].decode()}", *lines])
        return Splice(start=head.start(), end=head.end(), text=text)

    def _environment_head(self, node: Node) -> re.Match[bytes]:
        """Return the line of an environment that is empty or another place's mapping."""
        start = next(item.start for item in self.node.entries if item.key == "environment")
        found = _HEAD.match(self.content, start)
        if found is None or (node.alias and node.kind is not NodeKind.MAPPING):
            message = f"the environment of {self.name} cannot be added to"
            raise ValueError(message)
        return found


def is_base(path: PurePosixPath) -> bool:
    """Return whether a compose file stands by itself by name; others add to one."""
    return bool(_BASE.fullmatch(path.name))


def may_be_compose(path: PurePosixPath) -> bool:
    """Return whether a name speaks of compose, in whatever words."""
    return path.suffix in _YAML and "compose" in path.name


def base_files(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return every compose file that stands by itself."""
    return tuple(path for path in tree.ending(_YAML) if is_base(path))


def files(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return every compose file, those included that add to another."""
    return tuple(path for path in tree.ending(_YAML) if _FILE.fullmatch(path.name))


def read(path: PurePosixPath, content: bytes) -> tuple[ComposeService, ...]:
    """Return the services of a compose file; raises YamlError."""
    held = find(content, "services")
    return tuple(
        ComposeService(
            path=path, content=content, name=str(item.key), start=item.start, node=item.value
        )
        for item in (held.entries if held is not None else ())
    )


@on_trial
def services(path: PurePosixPath, content: bytes) -> tuple[ComposeService, ...]:
    """Return the services of a compose file; none where it is no YAML."""
    try:
        return read(path, content)
    except YamlError:
        return ()


@once
def all_services(tree: Tree) -> tuple[ComposeService, ...]:
    """Return the services of every compose file of the tree."""
    return tuple(each for path in files(tree) for each in services(path, tree.read(path) or b""))


def ports(node: Node | None) -> tuple[Port, ...]:
    """Return what a list of ports publishes, without what leaves the choice to compose."""
    found = []
    for item in node.items() if node is not None else ():
        if item.kind is NodeKind.MAPPING:
            host, published, target, protocol = map(
                item.said, ("host_ip", "published", "target", "protocol")
            )
        else:
            *hosts, published, last = ["", *_COLON.split(item.text)]
            host, (target, _, protocol) = ":".join(hosts).removeprefix(":"), last.partition("/")
        if published:
            spoken = protocol or "tcp"
            found.append(
                Port(host=host, published=published, target=target, protocol=spoken, node=item)
            )
    return tuple(found)


def mounts(path: PurePosixPath, node: Node | None) -> tuple[ComposeMount, ...]:
    """Return what a list of volumes of the compose file `path` mounts."""
    found = []
    for item in node.items() if node is not None else ():
        if item.kind is NodeKind.MAPPING:
            kind, source, target = map(item.said, ("type", "source", "target"))
            is_named = kind == "volume"
        else:
            source, target, *_ = [*_COLON.split(item.text), ""]
            is_named = bool(_VOLUME.fullmatch(source))
        if target:
            made = ComposeMount(
                source=inside(path.parent, source),
                volume=source if is_named else "",
                target=PurePosixPath(target),
            )
            found.append(made)
    return tuple(found)


def _written(node: Node, name: str, value: str | None) -> str:
    if node.kind is NodeKind.MAPPING:
        quoted = f'"{value}"' if node.flow else value
        return f"{name}: {quoted}" if value is not None else f"{name}:" + " " * node.flow
    text = name if value is None else f"{name}={value}"
    if node.flow:
        return text if value is None else f'"{text}"'
    return f"- {text}"


def inside(folder: PurePosixPath, text: str) -> PurePosixPath | None:
    """Return a bind source as a path of the tree; None for volumes, variables and outside."""
    if not text.startswith(".") or "$" in text:
        return None
    joined = posixpath.normpath(f"{folder}/{text}")
    return None if joined.startswith("..") else PurePosixPath(joined)
