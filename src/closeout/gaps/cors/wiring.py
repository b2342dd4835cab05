"""Follow ALLOWED_ORIGINS from an env example and a compose file to the service that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.compose import compose_files, environments, handed_on
from closeout.formats.helm import PLAIN, variables
from closeout.fs.text_edit import Splice, splice
from closeout.model import Edit, Tree
from closeout.parsing.fastapi import Service

LOCAL_ORIGINS = ("http://localhost:5135", "http://localhost:5143")
"""The dashboards on a developer's machine, as the order lists them."""

_VARIABLE = "ALLOWED_ORIGINS"
_STAGES = frozenset(["APP_ENV", "ENVIRONMENT", "NODE_ENV"])
_EXAMPLES = frozenset([".env.example", "env.example", ".env.sample"])
_ENDINGS = frozenset([".example", ".sample"])
_WHAT_FOR = (
    "# Browser origins that may call this service, separated by commas.\n"
    "# In production it has to be set, or the service does not start."
)
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
    wanted = tuple(folders)
    compose = compose_files(tree)
    charts = (item.path for item in variables(tree, frozenset(wanted), PLAIN))
    return (*_examples(tree, wanted), *compose, *charts)


def missing_examples(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the env examples beside a service with a policy that do not name the variable."""
    for path in _examples(tree, folders):
        content = tree.read(path)
        if content is not None and not _SET.search(content):
            yield Unwired(path=path, line=1, service=path.parent.name, excerpt=path.name)


def missing_compose(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the compose services with an environment of their own that lack the variable."""
    for item in environments(tree, frozenset(folders)):
        if _VARIABLE not in item.names:
            yield Unwired(
                path=item.path, line=item.node.line, service=item.name, excerpt=f"{item.name}:"
            )


def missing_charts(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Unwired]:
    """Yield the charts that list variables and leave this one out."""
    for listed in variables(tree, frozenset(folders), PLAIN):
        if _VARIABLE.encode() not in listed.content:
            name, line = listed.service.name, listed.node.line
            yield Unwired(path=listed.path, line=line, service=name, excerpt=f"{PLAIN}:")


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
    text = f"{_WHAT_FOR}\n{_VARIABLE}={','.join(LOCAL_ORIGINS)}"
    port = _PORT.search(content)
    if port is not None:
        return Splice(start=port.end(), end=port.end(), text=f"\n{text}")
    ended = content.endswith(b"\n") or not content
    text = f"\n{text}\n" if ended else f"\n\n{text}"
    return Splice(start=len(content), end=len(content), text=text)


def compose_edits(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Edit]:
    """Return the edits that hand the variable, and the stage, through to the services.

    Both are named without a value: compose then passes on what the caller's environment says,
    and an unset variable stays unset, so that production fails instead of trusting localhost.
    """
    added = []
    for item in environments(tree, frozenset(folders)):
        if _VARIABLE not in item.names:
            stage = {} if _STAGES & item.names else {"APP_ENV": None}
            added.append((item, {_VARIABLE: None, **stage}))
    return handed_on(tree, added)


def chart_edits(tree: Tree, folders: Iterable[PurePosixPath]) -> Iterator[Edit]:
    """Yield the edits that name the variable, still empty, in the services' charts."""
    text = f'{_WHAT_FOR}\n{_VARIABLE}: ""'
    for listed in variables(tree, frozenset(folders), PLAIN):
        if _VARIABLE.encode() not in listed.content:
            path, before = listed.path, listed.content
            after = splice(before, [listed.added(text)])
            yield Edit(path=path, before=before, after=after, mode=tree.mode(path))


def _examples(tree: Tree, folders: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    wanted = frozenset(folders)
    return tuple(
        path for path in tree.ending(_ENDINGS) if path.name in _EXAMPLES and path.parent in wanted
    )
