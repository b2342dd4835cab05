"""Follow the factory secret from env example, compose and chart to the service that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.anchors.yaml import Kind, Node, YamlError, append, find
from closeout.gaps.factory_secret.places import VARIABLE
from closeout.model import Edit, Reason, Unresolved
from closeout.rendering import render
from closeout.splicing import Splice, splice
from closeout.tree import Tree

COMPOSE = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_EXAMPLES = (".env.example", "env.example", ".env.sample")
_ASSIGNED = re.compile(rb"^(?:export )?DEVICE_FACTORY_SECRET=([^\r\n]*)", re.MULTILINE)
_PLACEHOLDER = re.compile(r"^<.*>$|^$|change-?me|replace|placeholder|your[-_ ]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwired:
    """A file that ought to carry the variable to its service."""

    path: PurePosixPath
    line: int
    problem: str


def example_of(tree: Tree, service: PurePosixPath) -> PurePosixPath:
    """Return the service's env example, where it has none the one it should have."""
    there = (service / name for name in _EXAMPLES)
    return next((path for path in there if tree.read(path) is not None), service / _EXAMPLES[0])


def unwired_example(tree: Tree, service: PurePosixPath) -> Unwired | None:
    """Return what is wrong with the service's env example, None where nothing is."""
    path = example_of(tree, service)
    content = tree.read(path) or b""
    assigned = _ASSIGNED.search(content)
    if assigned is None:
        return Unwired(path=path, line=1, problem=f"does not name {VARIABLE}")
    value = assigned[1].decode("utf-8", "replace").strip("\"' ")
    if _PLACEHOLDER.search(value):
        return None
    line = content.count(b"\n", 0, assigned.start()) + 1
    return Unwired(path=path, line=line, problem=f"gives {VARIABLE} a value, not a placeholder")


def example_edit(tree: Tree, service: PurePosixPath) -> Iterator[Edit]:
    """Yield the edit that gives the variable its placeholder, in the file's own line ending."""
    if unwired_example(tree, service) is None:
        return
    path = example_of(tree, service)
    content = tree.read(path)
    before = content or b""
    text = render("factory-secret/env.example.j2", {}).decode()
    assigned = _ASSIGNED.search(before)
    if assigned is not None:
        placeholder = text.strip().rpartition("=")[2].encode()
        after = before[: assigned.start(1)] + placeholder + before[assigned.end(1) :]
    else:
        start = "" if before.endswith(b"\n") or not before else "\n"
        last = before.rfind(b"\n", 0, max(len(before) - 1, 0)) + 1
        ending = "\r\n" if before[last:].endswith(b"\r\n") else "\n"
        after = before + (start + text).replace("\n", ending).encode()
    yield Edit(path=path, before=content, after=after, mode=tree.mode(path))


def unwired_compose(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the compose services that do not hand the variable to their process."""
    for path, _, environment in _environments(tree, services):
        if VARIABLE not in _names(environment):
            yield Unwired(path=path, line=environment.line, problem=f"does not hand {VARIABLE} on")


def compose_files(tree: Tree, services: frozenset[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the compose files that build one of the services."""
    return tuple(sorted({path for path, _, _ in _environments(tree, services)}))


def compose_edits(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Edit]:
    """Yield the edits that hand the variable on; compose warns where it is not set."""
    splices: dict[PurePosixPath, list[Splice]] = {}
    for path, content, environment in _environments(tree, services):
        if VARIABLE in _names(environment):
            continue
        value = f"${{{VARIABLE}}}"
        is_mapping = environment.kind is Kind.MAPPING
        text = f"{VARIABLE}: {value}" if is_mapping else f"- {VARIABLE}={value}"
        if environment.flow:
            text = f'{VARIABLE}: "{value}"' if is_mapping else f'"{VARIABLE}={value}"'
        splices.setdefault(path, []).append(append(content, environment).splice(text))
    for path, items in sorted(splices.items()):
        before = tree.read(path) or b""
        yield Edit(path=path, before=before, after=splice(before, items), mode=tree.mode(path))


def charts(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[PurePosixPath]:
    """Yield the values of the services' charts."""
    for service in sorted(services):
        path = service / "helm" / "values.yaml"
        if tree.read(path) is not None:
            yield path


def unwired_charts(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the charts whose list of secret variables lacks this one."""
    for path in charts(tree, services):
        listed = _secret_variables(tree.read(path) or b"")
        if listed is not None and VARIABLE not in _names(listed):
            yield Unwired(path=path, line=listed.line, problem=f"does not name {VARIABLE}")


def unread_charts(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Unresolved]:
    """Yield the charts that name the variable nowhere and list secrets in no way known here."""
    for path in charts(tree, services):
        content = tree.read(path) or b""
        if VARIABLE.encode() not in content and _secret_variables(content) is None:
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                detail=f"the chart does not name {VARIABLE}",
                hint="add the variable to the chart's secrets.",
            )


def chart_edits(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Edit]:
    """Yield the edits that take the variable from the secret its neighbour comes from."""
    for item in unwired_charts(tree, services):
        before = tree.read(item.path) or b""
        listed = _secret_variables(before)
        if listed is None:
            continue
        secret = listed.entries[-1].value.get("secret")
        name = secret.text if secret is not None else ""
        text = f"{VARIABLE}:\n  secret: {name}\n  key: {VARIABLE}"
        after = splice(before, [append(before, listed).splice(text)])
        yield Edit(path=item.path, before=before, after=after, mode=tree.mode(item.path))


def _secret_variables(content: bytes) -> Node | None:
    """Return the mapping of secret variables to the secret and key that they come from."""
    try:
        listed = find(content, "secretEnv")
    except YamlError:
        return None
    if listed is None or listed.kind is not Kind.MAPPING or listed.flow or not listed.entries:
        return None
    return listed if listed.entries[-1].value.get("secret") is not None else None


def _environments(
    tree: Tree, services: frozenset[PurePosixPath]
) -> Iterator[tuple[PurePosixPath, bytes, Node]]:
    for path in tree.paths():
        content = tree.read(path) if path.name in COMPOSE else None
        if content is None or not any(item.name.encode() in content for item in services):
            continue
        for name, block in _blocks(content):
            environment = block.get("environment")
            if environment is None or environment.kind is Kind.SCALAR or environment.alias:
                continue
            if _built_from(path, name, block) in services and block.get("env_file") is None:
                yield path, content, environment


def _blocks(content: bytes) -> Iterator[tuple[str, Node]]:
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


def _names(environment: Node) -> frozenset[str]:
    if environment.kind is Kind.MAPPING:
        return frozenset(str(entry.key) for entry in environment.entries)
    return frozenset(entry.value.text.split("=", 1)[0].strip() for entry in environment.entries)
