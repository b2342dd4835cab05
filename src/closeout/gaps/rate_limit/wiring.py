"""Hand the limiters' settings from env example, compose and chart to the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.compose import blocks, environments, handed_on
from closeout.formats.helm import PLAIN, variables
from closeout.fs.text_edit import Splice, splice
from closeout.model import Edit, Tree
from closeout.parsing.yaml import Node
from closeout.resources import render

HOPS, REDIS = "TRUST_PROXY_HOPS", "REDIS_URL"
_EXAMPLES = (".env.example", "env.example")
_DATABASE = re.compile(rb"redis://[\w.-]+:6379/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwired:
    """A file that does not hand some settings on to a limited service."""

    path: PurePosixPath
    service: PurePosixPath
    line: int
    missing: tuple[str, ...]


def wired(tree: Tree, services: frozenset[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the files that could hand settings on to `services`."""
    files = {item.path for item in environments(tree, services)}
    return tuple(sorted(files | {item.path for item in variables(tree, services, PLAIN)}))


def unwired(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the compose services and charts of `services` that do not hand every setting on."""
    for item in environments(tree, services):
        missing = tuple(name for name in (HOPS, REDIS) if name not in item.names)
        if missing:
            yield Unwired(
                path=item.path, service=item.service, line=item.node.line, missing=missing
            )
    for listed in variables(tree, services, PLAIN):
        missing = tuple(name for name in (HOPS, REDIS) if name.encode() not in listed.content)
        if missing:
            yield Unwired(
                path=listed.path, service=listed.service, line=listed.node.line, missing=missing
            )


def compose_edits(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Edit]:
    """Return the edits of compose files: no proxy is trusted unless told, one Redis for all."""
    added = []
    for item in environments(tree, services):
        values = {HOPS: f"${{{HOPS}:-0}}", REDIS: _redis(item.content)}
        missing = {name: value for name, value in values.items() if name not in item.names}
        if missing:
            added.append((item, missing))
    return handed_on(tree, added)


def chart_edits(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Edit]:
    """Yield the edits of charts: values that change nothing until an operator sets them."""
    for listed in variables(tree, services, PLAIN):
        path, before = listed.path, listed.content
        missing = [name for name in (HOPS, REDIS) if name.encode() not in before]
        if missing:
            text = render("rate-limit/values.yaml.j2", {"missing": missing}).decode().rstrip("\n")
            after = splice(before, [listed.added(text)])
            yield Edit(path=path, before=before, after=after, mode=tree.mode(path))


def example_edits(tree: Tree, service: PurePosixPath) -> Iterator[Edit]:
    """Yield the edit that names the settings in the service's example, where it has one."""
    for name in _EXAMPLES:
        content = tree.read(service / name)
        if content is None or HOPS.encode() in content:
            continue
        start = "" if content.endswith(b"\n") or not content else "\n"
        text = start + render("rate-limit/env.example.j2", {}).decode()
        after = splice(content, [Splice(start=len(content), end=len(content), text=text)])
        path = service / name
        yield Edit(path=path, before=content, after=after, mode=tree.mode(path))


def _redis(content: bytes) -> str:
    """Return the URL of the file's own Redis, in a database that nobody uses yet."""
    names = (name for name, block in blocks(content) if _is_redis(block))
    name = next(names, "")
    if not name:
        return f"${{{REDIS}:-}}"
    used = {int(found) for found in _DATABASE.findall(content)}
    return f"redis://{name}:6379/{max(used, default=-1) + 1}"


def _is_redis(block: Node) -> bool:
    image = block.get("image")
    return image is not None and image.text.rpartition("/")[2].split(":")[0] == "redis"
