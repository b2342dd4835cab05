"""Say what environment a tree gives a service: by each compose file, chart and manifest of it.

Placeholders come from the env examples, secrets are generated. What compose itself would refuse is
an environment too: one in which nothing starts.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from closeout.formats import compose, helm
from closeout.formats.env_examples import EXAMPLES
from closeout.formats.images import run_by
from closeout.formats.interpolation import WORD
from closeout.formats.manifests import documents_at
from closeout.fs.once import once
from closeout.fs.prefilter import holds, question
from closeout.fs.walk import is_below
from closeout.model import Tree

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>\w+)"
    rf"|\{{(?P<name>\w+)(?:(?P<how>:?[-?+])(?P<word>{WORD}))?\}})"
)
_ASSIGNED = re.compile(
    r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)\s*$", re.MULTILINE
)
_IMAGE = re.compile(r"^\s*(FROM|ENV)\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_PAIR = re.compile(r"""([A-Za-z_]\w*)=("[^"]*"|'[^']*'|\S*)""")
_SECRET = re.compile(
    r"secret|password|passwd|token|api_?key|private|credential|salt", re.IGNORECASE
)
_PLACEHOLDER = re.compile(
    r"^$|<[^>]*>|change|replace|your|example|placeholder|todo|xxx", re.IGNORECASE
)
_READS_FILE = (b"dotenv", b"env_file", b"loadEnvFile")
_LOADING = question(
    (".py", ".ts", ".js", ".mjs", ".cjs"), lambda content: holds(content, _READS_FILE)
)
_CONTAINERS = question(
    (".yaml", ".yml"), lambda content: b"containers:" in content and b"{{" not in content
)
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Rollout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """One environment of a service; `source` is the file that gives it."""

    source: PurePosixPath
    variables: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    """The variables that come from where the tree does not say their values: these are made."""
    is_file: bool = False
    """Whether the service reads them from a `.env` of its own; else its process is given them."""
    refused: str = ""
    """Why nothing starts with it, empty where something may."""


@once
def environments(tree: Tree, folder: PurePosixPath) -> tuple[Deployed, ...]:
    """Return every environment that the tree gives the service in `folder`, by file."""
    own = examples(tree, folder)
    found = [*_composed(tree, folder), *_charted(tree, folder), *_manifested(tree, folder)]
    image = _image(tree.read(folder / "Dockerfile") or b"")
    made = []
    for item in found:
        kept = {name: own.get(name) or secrets.token_hex(32) for name in item.kept}
        variables = {**image, **_generated(item.variables, own), **kept}
        made.append(replace(item, variables=variables, kept=item.kept - own.keys()))
    return (*made, *_copied(tree, folder, own))


def _copied(tree: Tree, folder: PurePosixPath, own: Mapping[str, str]) -> Iterator[Deployed]:
    """Yield what a developer's `.env` gives, a copy of the example, where the service reads one."""
    named = (folder / name for name in EXAMPLES if tree.read(folder / name) is not None)
    source = next(named, None)
    loading = (path for path in tree.candidates(_LOADING) if is_below(path, folder))
    if source is not None and any(True for _ in loading):
        yield Deployed(source=source, variables=own, is_file=True)


def examples(tree: Tree, folder: PurePosixPath) -> Mapping[str, str]:
    """Return the values of the env example in `folder`, with secrets for its placeholders."""
    found: dict[str, str] = {}
    for name in EXAMPLES:
        text = (tree.read(folder / name) or b"").decode("utf-8", "replace")
        for variable, value in _ASSIGNED.findall(text):
            found[variable] = value.partition(" #")[0].strip().strip("\"'")
    return _generated(found, {})


def is_secret(name: str) -> bool:
    """Return whether a variable of that name carries a secret."""
    return bool(_SECRET.search(name))


def _generated(variables: Mapping[str, str], example: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with values for placeholders: the example's, else made ones."""
    made = {}
    for name, value in variables.items():
        if is_secret(name) and _PLACEHOLDER.search(value):
            made[name] = example.get(name) or secrets.token_hex(32)
        else:
            made[name] = value
    return made


def _composed(tree: Tree, folder: PurePosixPath) -> Iterator[Deployed]:
    bases: dict[PurePosixPath, Deployed] = {}
    asked = frozenset([folder])
    for path in sorted(compose.files(tree), key=lambda path: not compose.is_base(path)):
        for service in compose.services(path, tree.read(path) or b""):
            if folder not in run_by(tree, service, asked):
                continue
            made = _of_service(tree, service)
            if compose.is_base(path):
                bases[path.parent] = made
            elif path.parent in bases and (
                "override" in path.name or not (service.context or service.image)
            ):
                # It says only what it changes.
                base = bases[path.parent]
                made = replace(
                    made,
                    variables={**base.variables, **made.variables},
                    refused=made.refused or base.refused,
                )
            yield made


def _of_service(tree: Tree, service: compose.ComposeService) -> Deployed:
    given = examples(tree, service.path.parent)
    variables: dict[str, str] = dict(_from_files(tree, service))
    lacking: list[str] = []
    for node, name, text in service.assignments():
        if not text and (node.text == name or not node.text):
            if held := given.get(name):
                variables[name] = held
            continue
        variables.setdefault(name, "")
        variables[name] = _interpolated(text, given, lacking)
    refused = (
        f"compose refuses it: {', '.join(dict.fromkeys(lacking))} is not set" if lacking else ""
    )
    return Deployed(source=service.path, variables=variables, refused=refused)


def _from_files(tree: Tree, service: compose.ComposeService) -> Iterator[tuple[str, str]]:
    """Yield what its `env_file`s say, each read as the example beside it."""
    for place in service.env_files:
        yield from examples(tree, place.parent).items()


def _interpolated(text: str, given: Mapping[str, str], lacking: list[str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name, how, word = found["name"] or found["bare"], found["how"] or "", found["word"] or ""
        held = given.get(name)
        is_set = held is not None and (bool(held) or not how.startswith(":"))
        if how.endswith("+"):
            return _interpolated(word, given, lacking) if is_set else ""
        if is_set:
            return held or ""
        if how.endswith("?"):
            if held is not None:
                # The example names it, for whoever starts this to fill in.
                return secrets.token_hex(32)
            lacking.append(name)
        return _interpolated(word, given, lacking) if how.endswith("-") else ""

    return _VARIABLE.sub(value, text)


def _charted(tree: Tree, folder: PurePosixPath) -> Iterator[Deployed]:
    """Yield what each values file of the service's chart gives, those of a stage over the usual."""
    for chart in helm.charts(tree, frozenset([folder])):
        usual: dict[str, str | None] = {}
        written = dict(helm.templated(tree, chart))
        for path in helm.staged_values(tree, chart):
            content = tree.read(path) or b""
            secret = {name: None for name, _ in helm.listed(content, helm.SECRET)}
            told = {**dict(helm.listed(content, helm.PLAIN)), **secret}
            usual = usual or told
            told = {**usual, **told, **written}
            if told:
                kept = frozenset(name for name, value in told.items() if value is None)
                plain = {name: value for name, value in told.items() if value is not None}
                yield Deployed(source=path, variables=plain, kept=kept)


def _manifested(tree: Tree, folder: PurePosixPath) -> Iterator[Deployed]:
    """Yield what the workloads that carry the service's name give their containers."""
    name = folder.name.encode()
    for path in tree.candidates(_CONTAINERS):
        if name not in (tree.read(path) or b""):
            continue
        for document in documents_at(tree, path):
            if document.kind in _WORKLOADS:
                held = document.field("spec", "template", "spec", "containers")
                yield from _containers(path, folder.name, held)


def _containers(path: PurePosixPath, name: str, held: object) -> Iterator[Deployed]:
    for container in held if isinstance(held, list) else ():
        told = (
            f"{container.get('name')} {container.get('image')}"
            if isinstance(container, dict)
            else ""
        )
        if name not in told:
            continue
        listed = container.get("env")
        items = [
            item
            for item in (listed if isinstance(listed, list) else ())
            if isinstance(item, dict) and "name" in item
        ]
        if items:
            plain = {str(item["name"]): str(item["value"]) for item in items if "value" in item}
            kept = frozenset(str(item["name"]) for item in items) - plain.keys()
            yield Deployed(source=path, variables=plain, kept=kept)


def _image(content: bytes) -> Mapping[str, str]:
    """Return what the shipped stage of an image sets."""
    found: dict[str, str] = {}
    for word, rest in _IMAGE.findall(content.decode("utf-8", "replace")):
        if word.upper() == "FROM":
            found.clear()
            continue
        pairs: Iterable[tuple[str, str]] = _PAIR.findall(rest) or [tuple(rest.split(None, 1))]
        found.update({pair[0]: pair[1].strip("\"'") for pair in pairs if len(pair) == 2})  # noqa: PLR2004 - name and value
    return {name: value for name, value in found.items() if "$" not in value and name != "PATH"}
