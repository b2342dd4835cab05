"""Follow the factory secret from env example, compose and chart to the service that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.compose import Environment, environments, handed_on
from closeout.formats.helm import SECRET, Variables, values_files, variables
from closeout.fs.text_edit import splice
from closeout.gaps.factory_secret.typescript.places import VARIABLE
from closeout.model import Edit, Reason, Tree, Unresolved
from closeout.parsing.node_sources import readers
from closeout.resources import render

_EXAMPLES = (".env.example", "env.example", ".env.sample")
_HOPS = "TRUST_PROXY_HOPS"
"""How many proxies the guard's limiter may believe, where a service's code reads it."""
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
    values = {"is_hops_named": _HOPS.encode() in before}
    text = render("factory-secret/env.example.j2", values).decode()
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
    """Yield the compose services that do not hand every setting to their process."""
    for item, missing in _unwired(tree, services):
        names = " and ".join(missing)
        yield Unwired(path=item.path, line=item.node.line, problem=f"does not hand {names} on")


def compose_files(tree: Tree, services: frozenset[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the compose files that build one of the services."""
    return tuple(sorted({item.path for item in environments(tree, services)}))


def compose_edits(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Edit]:
    """Return the edits that hand the settings on; compose warns where the secret is not set."""
    return handed_on(tree, _unwired(tree, services))


def _unwired(
    tree: Tree, services: frozenset[PurePosixPath]
) -> Iterator[tuple[Environment, dict[str, str | None]]]:
    limiting = readers(tree, services, _HOPS)
    for item in environments(tree, services):
        wanted: dict[str, str | None] = {VARIABLE: f"${{{VARIABLE}}}"}
        if item.service in limiting:
            wanted[_HOPS] = f"${{{_HOPS}:-0}}"
        missing = {name: value for name, value in wanted.items() if name not in item.names}
        if missing:
            yield item, missing


def unwired_charts(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the charts whose list of secret variables lacks this one."""
    for listed in _secrets(tree, services):
        if VARIABLE not in listed.names:
            line = listed.node.line
            yield Unwired(path=listed.path, line=line, problem=f"does not name {VARIABLE}")


def unread_charts(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Unresolved]:
    """Yield the charts that name the variable nowhere and list secrets in no way known here."""
    known = {listed.path for listed in _secrets(tree, services)}
    for path in values_files(tree, services):
        if VARIABLE.encode() not in (tree.read(path) or b"") and path not in known:
            yield Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                detail=f"the chart does not name {VARIABLE}",
                hint="add the variable to the chart's secrets.",
            )


def chart_edits(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Edit]:
    """Yield the edits that take the variable from the secret its neighbour comes from."""
    for listed in _secrets(tree, services):
        secret = listed.node.entries[-1].value.get("secret")
        if VARIABLE in listed.names or secret is None:
            continue
        text = f"{VARIABLE}:\n  secret: {secret.text}\n  key: {VARIABLE}"
        after = splice(listed.content, [listed.added(text)])
        mode = tree.mode(listed.path)
        yield Edit(path=listed.path, before=listed.content, after=after, mode=mode)


def _secrets(tree: Tree, services: frozenset[PurePosixPath]) -> Iterator[Variables]:
    """Yield the mappings of secret variables to the secret and key that they come from."""
    for listed in variables(tree, services, SECRET):
        if listed.node.entries[-1].value.get("secret") is not None:
            yield listed
