"""Add keys to the Secret that a chart makes itself, each with a value of its own to be set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.helm import ServiceChart, templates, value
from closeout.formats.settings import Setting, is_placeholder
from closeout.fs.text_edit import Splice, line_number, spliced
from closeout.model import Edit, Tree
from closeout.parsing.yaml import Node, NodeKind, append

_SECRET = re.compile(rb"(?m)^kind:[ \t]*[\"']?Secret\b")
_KEY = re.compile(
    rb"(?m)^(?P<indent>[ \t]+)[\"']?(?P<key>[\w.-]+)[\"']?:[ \t]*(?P<value>[^\r\n]*"
    rb"\.Values\.(?P<path>\w+(?:\.\w+)*)[^\r\n]*)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """The Secret that a variable comes from, and the key of it."""

    secret: str
    key: str
    variable: str

    def key_of(self, name: str) -> str:
        """Return the key of another variable, spelled as this one's."""
        if self.key == self.variable:
            return name
        spelled = _spelling(self.key, self.variable)
        if spelled is None and re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", self.key):
            spelled = _kebab
        return spelled(name) if spelled else name


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartSecret:
    """A template that makes the Secret which the pods read, by a line that a new one can follow."""

    chart: ServiceChart
    path: PurePosixPath
    content: bytes
    source: SecretKey
    beside: re.Match[bytes]

    @property
    def line(self) -> int:
        """Return the line of the key that others follow."""
        return line_number(self.content, self.beside.start())

    def lacks(self, setting: Setting) -> bool:
        """Return whether the Secret has no key for a variable."""
        key = self.source.key_of(setting.name).encode()
        return not re.search(rb"(?m)^[ \t]+[\"']?%s[\"']?:" % re.escape(key), self.content)

    def edits(self, tree: Tree, settings: Iterable[Setting]) -> Iterator[Edit]:
        """Yield the edits of the template and of the values that it is filled in from."""
        lines, leaves = [], []
        *parents, leaf = self.beside["path"].decode().split(".")
        spelled = _spelling(leaf, self.source.variable) or str
        for item in settings:
            named = spelled(item.name)
            held = self.beside["value"].decode().rstrip("\r")
            filled = held.replace(
                f".Values.{'.'.join([*parents, leaf])}", f".Values.{'.'.join([*parents, named])}"
            )
            lines.append(
                f"{self.beside['indent'].decode()}{self.source.key_of(item.name)}: {filled}\n"
            )
            leaves.append(named)
        values = self.chart.values
        given = tree.read(values) or b""
        node = value(given, *parents)
        if node is None:
            return
        beside = node.get(leaf)
        quoted = f'"{beside.text}"' if beside is not None and is_placeholder(beside.text) else '""'
        start = min(self.beside.end() + 1, len(self.content))
        made = Splice(start=start, end=start, text="".join(lines))
        yield spliced(tree, self.path, [made])
        named_values = "\n".join(f"{each}: {quoted}" for each in leaves)
        yield spliced(tree, values, [append(given, node).splice(named_values)])


def own_secret(
    tree: Tree, chart: ServiceChart, source: SecretKey | None
) -> ChartSecret | str | None:
    """Return the Secret that a chart makes for its pods, by the key that `source` reads of it.

    Without a source the pods take the whole of it. None where the chart makes none of them; a
    reason where it makes one in a way that is not known here.
    """
    for path in templates(tree, chart.folder):
        content = tree.read(path) or b""
        if not _SECRET.search(content):
            continue
        keys = [
            match
            for match in _KEY.finditer(content)
            if (source.key if source else match["key"].decode()) == match["key"].decode()
        ]
        if not keys:
            if source is None or re.search(rb"\b%s\b" % re.escape(source.key.encode()), content):
                return f"{path.name} makes the Secret in a way that is not known here"
            continue
        beside = keys[-1]
        name = beside["key"].decode()
        held = source or SecretKey(secret="", key=name, variable=name)
        *parents, leaf = beside["path"].decode().split(".")
        if _spelling(leaf, held.variable) is None or _mapping(tree, chart, parents) is None:
            return f"{path.name} takes {name} from a value that is named another way"
        return ChartSecret(chart=chart, path=path, content=content, source=held, beside=beside)
    return None


def _mapping(tree: Tree, chart: ServiceChart, keys: list[str]) -> Node | None:
    node = value(tree.read(chart.values) or b"", *keys)
    is_open = node is not None and node.kind is NodeKind.MAPPING and not (node.flow or node.alias)
    return node if is_open and keys else None


def _spelling(word: str, variable: str) -> Callable[[str], str] | None:
    """Return how a variable's name is written in `word`, None where that says something else."""
    for spelled in (str, _kebab, str.lower, _camel):
        if word == spelled(variable):
            return spelled
    return None


def _kebab(name: str) -> str:
    return name.lower().replace("_", "-")


def _camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.title() for word in rest)
