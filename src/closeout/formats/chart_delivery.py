"""Deliver settings by charts, in whichever form a chart lists the variables of its pods.

That is a mapping or a list in its values, or a list in a template. A secret comes from the Secret
that its neighbour comes from, by a key spelled as the neighbour's; where the chart makes that
Secret itself, the key is added there too; a chart that reads none takes it from the service's own.
Templates are not executed, so any other form is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import unparsable
from closeout.formats.chart_secrets import ChartSecret, SecretKey, own_secret
from closeout.formats.helm import (
    PLAIN,
    SECRET,
    ServiceChart,
    charts,
    staged_values,
    templates,
    value,
)
from closeout.formats.settings import Setting
from closeout.formats.tree_names import dns_name
from closeout.fs.text_edit import Splice, line_number, spliced
from closeout.model import Edit, Tree
from closeout.parsing.yaml import Insertion, Node, NodeKind, append

_WORKLOAD = re.compile(rb"(?m)^kind:[ \t]*[\"']?(?:Deployment|StatefulSet|DaemonSet|Rollout)\b")
_LIST = re.compile(rb"(?m)^(?P<indent>[ \t]+)env:[ \t]*\r?\n(?P<next>[^\r\n]*)")
_FROM_VALUES = re.compile(rb"\{\{-?[ \t]*toYaml[ \t]+\.Values\.env\b")
_WHOLE = re.compile(rb"envFrom:(?:[^\n]*\n)(?:[ \t-]+[^\n]*\n)*?[ \t-]+secretRef:")
_REFERENCE = re.compile(
    rb"name:[ \t]*(?P<variable>[A-Z][A-Z0-9_]*)[ \t]*\r?\n[ \t]+valueFrom:[ \t]*\r?\n"
    rb"[ \t]+secretKeyRef:[ \t]*\r?\n[ \t]+name:[ \t]*(?P<name>[^\r\n]+?)[ \t]*\r?\n"
    rb"[ \t]+key:[ \t]*(?P<key>[^\r\n]+?)[ \t]*\r?$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableList:
    """A place of a chart that lists variables."""

    chart: ServiceChart
    path: PurePosixPath
    line: int
    names: frozenset[str]
    place: Insertion
    is_list: bool
    source: SecretKey | None
    """Where the last of its secrets comes from."""

    def added(self, settings: Iterable[Setting]) -> Splice:
        """Return the splice that lists more variables."""
        separator = ", " if self._is_flow else "\n"
        return self.place.splice(separator.join(self._entry(item) for item in settings))

    def edits(self, tree: Tree, settings: Iterable[Setting]) -> Iterator[Edit]:
        """Yield the edit that lists more variables."""
        yield spliced(tree, self.path, [self.added(settings)])

    @property
    def _is_flow(self) -> bool:
        return "\n" not in self.place.before + self.place.after

    def _entry(self, setting: Setting) -> str:
        if not self.is_list:
            return setting.chart or self._secret(setting.name)
        comment, _, assigned = f"\n{setting.chart}".rpartition("\n")
        if self.source is not None and not setting.chart:
            held = {"name": self.source.secret, "key": self.source.key_of(setting.name)}
            held |= {"optional": "true"} if setting.is_optional else {}
            if self._is_flow:
                inline = ", ".join(f"{key}: {text}" for key, text in held.items())
                return f"{{name: {setting.name}, valueFrom: {{secretKeyRef: {{{inline}}}}}}}"
            lines = "".join(f"\n      {key}: {text}" for key, text in held.items())
            return f"- name: {setting.name}\n  valueFrom:\n    secretKeyRef:{lines}"
        value = assigned.partition(":")[2].strip()
        if self._is_flow:
            return f"{{name: {setting.name}, value: {value}}}"
        return f"{comment.strip()}\n- name: {setting.name}\n  value: {value}".lstrip("\n")

    def _secret(self, name: str) -> str:
        source = self.source
        return f"{name}:\n  secret: {source.secret if source else ''}\n  key: {name}"


def undelivered(
    tree: Tree, folders: Iterable[PurePosixPath], settings: Iterable[Setting]
) -> Iterator[tuple[VariableList | ChartSecret, list[Setting]]]:
    """Yield each place that could name the settings, with those that it lacks.

    A list replaces the one that it is laid over, so each of a chart's values files with one has to
    name it; a mapping is merged, and the usual values do.
    """
    wanted = list(settings)
    is_secret = any(item.is_secret for item in wanted)
    for chart in _readable(tree, folders):
        written = _written(tree, chart)
        plain = b"" if is_secret else tree.read(chart.values) or b""
        for place in _of(tree, chart, secret=is_secret):
            content = b"" if place.is_list else plain
            yield (
                place,
                [
                    item
                    for item in wanted
                    if item.name not in place.names
                    and not _names(written, item.name)
                    and item.name.encode() not in content
                ],
            )
        for own in _own(tree, chart) if is_secret else ():
            if isinstance(own, ChartSecret):
                yield own, [item for item in wanted if not item.is_optional and own.lacks(item)]


def unreached(
    tree: Tree, folders: Iterable[PurePosixPath], name: str
) -> Iterator[tuple[ServiceChart, str]]:
    """Yield the charts that cannot hand a secret to their service, with the reason."""
    for chart in _readable(tree, folders):
        values = b"\n".join(tree.read(path) or b"" for path in staged_values(tree, chart))
        written = _written(tree, chart)
        if _names(values, name) or _names(written, name):
            continue
        problems = [own for own in _own(tree, chart) if isinstance(own, str)]
        listed = any(True for _ in _of(tree, chart, secret=True))
        if not (listed or _WHOLE.search(written + b"\n" + values)):
            problems.append("it lists no secret in a way that is known here")
        for problem in problems[:1]:
            yield chart, problem


def _readable(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[ServiceChart]:
    """Yield the services' charts; of one whose values do not parse, nobody can say what it does."""
    for chart in charts(tree, frozenset(folders)):
        if not unparsable.among(tree, staged_values(tree, chart)):
            yield chart


def _own(tree: Tree, chart: ServiceChart) -> Iterator[ChartSecret | str]:
    """Yield the Secret that the chart makes for its pods, or why it is not understood."""
    read = next((place.source for place in _of(tree, chart, secret=True)), None)
    found = own_secret(tree, chart, read) if read and read.key else None
    if found is None and _WHOLE.search(_written(tree, chart)):
        found = own_secret(tree, chart, None)
    if found is not None:
        yield found


def _written(tree: Tree, chart: ServiceChart) -> bytes:
    return b"\n".join(tree.read(path) or b"" for path in templates(tree, chart.folder))


def _of(tree: Tree, chart: ServiceChart, *, secret: bool) -> Iterator[VariableList]:
    found = [*_in_values(tree, chart, secret=secret)]
    yield from found or _in_templates(tree, chart)


def _in_values(tree: Tree, chart: ServiceChart, *, secret: bool) -> Iterator[VariableList]:
    usual: SecretKey | None = None
    for path in staged_values(tree, chart):
        content = tree.read(path) or b""
        for key in (SECRET, PLAIN):
            node = _found(content, key)
            is_list = node is not None and node.kind is NodeKind.SEQUENCE
            if node is None or node.alias or (not is_list and (key == SECRET) is not secret):
                continue
            if not is_list and (path != chart.values or node.flow or not node.entries):
                continue
            source = (_listed(node) or usual) if is_list else _mapped(node)
            usual = usual or source
            source = source or (_ours(chart) if is_list else None)
            if not secret or source is not None:
                yield VariableList(
                    chart=chart,
                    path=path,
                    line=node.line,
                    names=_named(node),
                    place=append(content, node),
                    is_list=is_list,
                    source=source,
                )
                break


def _found(content: bytes, key: str) -> Node | None:
    node = value(content, key)
    return node if node is not None and node.kind is not NodeKind.SCALAR else None


def _named(node: Node) -> frozenset[str]:
    if node.kind is NodeKind.MAPPING:
        return frozenset(str(entry.key) for entry in node.entries)
    named = (entry.value.get("name") for entry in node.entries)
    return frozenset(name.text for name in named if name is not None)


def _mapped(node: Node) -> SecretKey | None:
    held = node.entries[-1].value.get("secret") if node.entries else None
    name = str(node.entries[-1].key) if node.entries else ""
    return SecretKey(secret=held.text, key=name, variable=name) if held is not None else None


def _listed(node: Node) -> SecretKey | None:
    for entry in reversed(node.entries):
        variable = entry.value.get("name")
        name = entry.value.get("valueFrom", "secretKeyRef", "name")
        key = entry.value.get("valueFrom", "secretKeyRef", "key")
        if variable is not None and name is not None and key is not None:
            return SecretKey(secret=name.text, key=key.text, variable=variable.text)
    return None


def _ours(chart: ServiceChart) -> SecretKey:
    """Return where secrets come from that a chart reads none of: what the operator makes."""
    return SecretKey(secret=f"{dns_name(chart.service.name)}-secrets", key="", variable="")


def _in_templates(tree: Tree, chart: ServiceChart) -> Iterator[VariableList]:
    """Yield the one list of a workload's template, to be named in ahead of the others."""
    for path in templates(tree, chart.folder):
        content = tree.read(path) or b""
        lists = list(_LIST.finditer(content)) if _WORKLOAD.search(content) else []
        if len(lists) != 1 or _FROM_VALUES.search(content):
            continue
        (found,) = lists
        references = list(_REFERENCE.finditer(content))
        source = _ours(chart)
        if references:
            held = {name: text.decode() for name, text in references[-1].groupdict().items()}
            source = SecretKey(secret=held["name"], key=held["key"], variable=held["variable"])
        after = found.start("next")
        item = re.match(rb"[ \t]*(?=-[ \t])", found["next"])
        indent = (item[0] if item else found["indent"] + b"  ").decode()
        yield VariableList(
            chart=chart,
            path=path,
            line=line_number(content, found.start()),
            names=frozenset(),
            place=Insertion(offset=after, indent=indent, before="", after="\n"),
            is_list=True,
            source=source,
        )


def _names(content: bytes, name: str) -> bool:
    """Return whether a line that is no comment names a variable."""
    return bool(re.search(rb"(?m)^[^#\n]*\b%s\b" % name.encode(), content))
