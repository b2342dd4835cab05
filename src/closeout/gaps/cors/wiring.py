"""Follow ALLOWED_ORIGINS from an env example and a compose file to the service that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.anchors.fastapi import Service
from closeout.anchors.yaml import Kind, Node, YamlError, append, find
from closeout.model import Edit
from closeout.splicing import Splice, splice
from closeout.tree import Tree

LOCAL_ORIGINS = ("http://localhost:5135", "http://localhost:5143")
"""The dashboards on a developer's machine, as the order lists them."""

_VARIABLE = "ALLOWED_ORIGINS"
_STAGES = frozenset(["APP_ENV", "ENVIRONMENT", "NODE_ENV"])
_EXAMPLES = frozenset([".env.example", "env.example", ".env.sample"])
_COMPOSE = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_PORT = re.compile(rb"^PORT=[^\r\n]*", re.MULTILINE)
_SET = re.compile(rb"^(export )?ALLOWED_ORIGINS=", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwired:
    """A file that could carry the variable to a service and does not."""

    path: PurePosixPath
    line: int
    service: str
    excerpt: str


def policy_folders(found: Iterable[Service]) -> tuple[PurePosixPath, ...]:
    """Return the folders of the FastAPI services that have a policy."""
    return tuple(service.folder for service in found if service.cors_calls)


def wiring_files(tree: Tree, folders: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the files that carry variables to the services."""
    return (*_examples(tree, folders), *_compose_files(tree))


def missing_examples(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the env examples beside a service with a policy that do not name the variable."""
    for path in _examples(tree, folders):
        content = tree.read(path)
        if content is not None and not _SET.search(content):
            yield Unwired(path=path, line=1, service=path.parent.name, excerpt=path.name)


def missing_compose(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the compose services with an environment of their own that lack the variable."""
    for path, content, name, environment in _environments(tree, folders):
        del content
        if _VARIABLE not in _names(environment):
            yield Unwired(path=path, line=environment.line, service=name, excerpt=f"{name}:")


def example_edits(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Edit]:
    """Yield the edits that name the variable in the env examples of the services' folders."""
    for missing in missing_examples(tree, folders):
        content = tree.read(missing.path) or b""
        yield Edit(
            path=missing.path,
            before=content,
            after=splice(content, [_example(content)]),
            mode=tree.mode(missing.path),
        )


def _example(content: bytes) -> Splice:
    """Return the splice that names the variable: below the port, else at the end.

    At the end, the fixes of two gaps would meet in the same lines.
    """
    text = (
        "# Browser origins that may call this service, separated by commas.\n"
        "# In production it has to be set, or the service does not start.\n"
        f"{_VARIABLE}={','.join(LOCAL_ORIGINS)}"
    )
    port = _PORT.search(content)
    if port is not None:
        return Splice(start=port.end(), end=port.end(), text=f"\n{text}")
    ended = content.endswith(b"\n") or not content
    text = f"\n{text}\n" if ended else f"\n\n{text}"
    return Splice(start=len(content), end=len(content), text=text)


def compose_edits(tree: Tree, folders: Iterable[PurePosixPath]) -> tuple[Edit, ...]:
    """Return the edits that hand the variable, and the stage, through to the services.

    Both are named without a value: compose then passes on what the caller's environment says,
    and an unset variable stays unset, so that production fails instead of trusting localhost.
    """
    splices: dict[PurePosixPath, list[Splice]] = {}
    for path, content, _, environment in _environments(tree, folders):
        names = _names(environment)
        if _VARIABLE in names:
            continue
        wanted = [_VARIABLE, *(["APP_ENV"] if _STAGES.isdisjoint(names) else [])]
        place = append(content, environment)
        if environment.flow:
            joined = ", ".join(_flow(environment, name) for name in wanted)
            splices.setdefault(path, []).append(place.splice(joined))
        else:
            text = "\n".join(_block(environment, name) for name in wanted)
            splices.setdefault(path, []).append(place.splice(text))
    return tuple(_edit(tree, path, items) for path, items in splices.items())


def _edit(tree: Tree, path: PurePosixPath, items: list[Splice]) -> Edit:
    content = tree.read(path) or b""
    return Edit(path=path, before=content, after=splice(content, items), mode=tree.mode(path))


def _block(environment: Node, name: str) -> str:
    return f"{name}:" if environment.kind is Kind.MAPPING else f"- {name}"


def _flow(environment: Node, name: str) -> str:
    return f"{name}: " if environment.kind is Kind.MAPPING else name


def _names(environment: Node) -> frozenset[str]:
    if environment.kind is Kind.MAPPING:
        return frozenset(str(entry.key) for entry in environment.entries)
    return frozenset(entry.value.text.split("=", 1)[0].strip() for entry in environment.entries)


def _examples(tree: Tree, folders: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    wanted = frozenset(folders)
    return tuple(path for path in tree.paths() if path.name in _EXAMPLES and path.parent in wanted)


def _compose_files(tree: Tree) -> tuple[PurePosixPath, ...]:
    return tuple(path for path in tree.paths() if path.name in _COMPOSE)


def _environments(
    tree: Tree, folders: Iterable[PurePosixPath]
) -> Iterator[tuple[PurePosixPath, bytes, str, Node]]:
    wanted = frozenset(folders)
    for path in _compose_files(tree):
        content = tree.read(path)
        if content is None or not any(folder.name.encode() in content for folder in wanted):
            continue
        for name, block in _blocks(content):
            environment = block.get("environment")
            if environment is None or environment.kind is Kind.SCALAR or environment.alias:
                continue
            if _built_from(path, name, block) in wanted and block.get("env_file") is None:
                yield path, content, name, environment


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
    folder = PurePosixPath(context.text if context is not None else name)
    return path.parent / folder
