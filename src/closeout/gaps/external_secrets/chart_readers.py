"""Read a tree's own Helm charts: what their pods read of Secrets, and which Secrets they make.

Templates are not executed. What names an object the usual ways is worked out (the release's name,
the `fullname` that `helm create` writes, a value); any other expression is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from closeout.formats.helm import templates
from closeout.formats.manifests import documents_at
from closeout.fs.text_edit import line_number
from closeout.gaps.external_secrets.readers import Need, reads
from closeout.model import Tree

_YAML = frozenset({".yml", ".yaml"})
_GENERIC = frozenset({"helm", "chart", "charts", "deploy"})
_REFERENCE = re.compile(
    rb"-[ \t]+name:[ \t]*(?P<variable>[A-Z][A-Z0-9_]*)[ \t]*\r?\n[ \t]+valueFrom:[ \t]*\r?\n"
    rb"[ \t]+secretKeyRef:[ \t]*\r?\n[ \t]+name:[ \t]*(?P<name>[^\r\n]+)\r?\n"
    rb"[ \t]+key:[ \t]*(?P<key>[^\r\n]+)"
)
_WHOLE = re.compile(rb"-[ \t]+secretRef:[ \t]*\r?\n[ \t]+name:[ \t]*(?P<name>[^\r\n]+)")
_SECRET = re.compile(rb"(?m)^kind:[ \t]*[\"']?Secret\b")
_NAME = re.compile(
    rb"(?m)^metadata:[ \t]*\r?\n(?:[ \t]+[^\r\n]*\r?\n)*?[ \t]+name:[ \t]*([^\r\n]+)"
)
_EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_GATE = b"external-secrets.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart that stands in the tree."""

    folder: PurePosixPath
    release: str
    """What it is installed as, where a deployment controller says so; else the chart's name."""
    values: Mapping[str, Any]

    @property
    def service(self) -> str:
        """Return the service that it deploys: its folder's name, or that folder's own."""
        home = self.folder.parent if self.folder.name in _GENERIC else self.folder
        return home.name

    def resolved(self, text: str) -> str:
        """Return a name with its expressions worked out, empty where one is not understood."""
        plain = _EXPRESSION.sub(lambda each: self._value(each[1]), text.strip().strip("\"'"))
        return "" if "\0" in plain or "{{" in plain else plain.strip().strip("\"'")

    def _value(self, expression: str) -> str:
        first = expression.partition("|")[0].strip()
        if first.startswith(("include", "template")):
            return self._included(first)
        if first == ".Release.Name":
            return self.release
        if first == ".Chart.Name":
            return self.service
        if first.startswith(".Values."):
            value: object = self.values
            for key in first.removeprefix(".Values.").split("."):
                value = value.get(key) if isinstance(value, dict) else None
            return str(value) if isinstance(value, str) and value else "\0"
        return "\0"

    def _included(self, call: str) -> str:
        if not re.search(r"[\w.-]*fullname[\"']", call):
            return self.service if re.search(r"\.name[\"']", call) else "\0"
        if self.values.get("fullnameOverride"):
            return str(self.values["fullnameOverride"])
        name = str(self.values.get("nameOverride") or self.service)
        return self.release if name in self.release else f"{self.release}-{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSecret:
    """A Secret that a chart makes, unless the operator is there."""

    path: PurePosixPath
    line: int
    name: str
    gated: bool
    """Whether the template leaves it out where the operator is installed."""


def charts(tree: Tree, releases: Mapping[str, str]) -> Iterator[Chart]:
    """Yield the tree's charts; `releases` are names of releases by the end of a chart's path."""
    for path in tree.ending(_YAML):
        if path.name != "Chart.yaml" or "charts" in path.parts[:-2]:
            continue
        folder = path.parent
        chart = Chart(folder=folder, release="", values=_values(tree, folder))
        yield replace(chart, release=releases.get(folder.as_posix(), chart.service))


def chart_reads(tree: Tree, chart: Chart) -> Iterator[Need]:
    """Yield what the chart's values and templates read of Secrets; the namespace is left out."""
    path = chart.folder / "values.yaml"
    for document in documents_at(tree, path):
        for steps, item in reads(document.value):
            if secret := chart.resolved(item.secret):
                line = document.line_of(steps)
                yield replace(item, secret=secret, reader=chart.service, path=path, line=line)
    for template in templates(tree, chart.folder):
        content = tree.read(template) or b""
        for pattern in (_REFERENCE, _WHOLE):
            for match in pattern.finditer(content):
                if (need := _templated(chart, match)) is not None:
                    line = line_number(content, match.start())
                    yield replace(need, path=template, line=line)


def _templated(chart: Chart, match: re.Match[bytes]) -> Need | None:
    """Return what a template reads, None where a name or key in it is not worked out."""
    held = {name: value.decode("utf-8", "replace") for name, value in match.groupdict().items()}
    secret = chart.resolved(held["name"])
    key = chart.resolved(held.get("key", ""))
    if not secret or ("key" in held and not key):
        return None
    variable = held.get("variable", "*")
    return Need(secret=secret, key=key, variable=variable, reader=chart.service)


def own_secrets(tree: Tree, chart: Chart) -> Iterator[OwnSecret]:
    """Yield the Secrets that the chart's templates make, under each name that it may have."""
    for template in templates(tree, chart.folder):
        content = tree.read(template) or b""
        kind, named = _SECRET.search(content), _NAME.search(content)
        if kind is None or named is None:
            continue
        text = named[1].decode("utf-8", "replace")
        names = {chart.resolved(text), replace(chart, release=chart.service).resolved(text)}
        for name in sorted(names - {""}):
            yield OwnSecret(
                path=template,
                line=line_number(content, kind.start()),
                name=name,
                gated=_GATE in content,
            )


def _values(tree: Tree, folder: PurePosixPath) -> Mapping[str, Any]:
    found = documents_at(tree, folder / "values.yaml")
    return found[0].value if found and isinstance(found[0].value, dict) else {}
