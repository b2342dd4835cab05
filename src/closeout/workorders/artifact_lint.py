"""Read the files that an order touches as their own tools would, strictly, and run none of them.

One row a file and criterion. A file that is absent gives no row: that is a detector's to tell.
Without bash there is no row for a script; shellcheck is asked where it is installed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from closeout import process
from closeout.formats import compose_check, manifests
from closeout.model import Observation, Row, Tree
from closeout.parsing import syntax

_FIRST_LINES = re.compile(rb"\A[^\n]*\b(bash|sh|dash)\b")
_TOLD = 6
"""Problems told of one file; the rest is counted."""

_Problems = Sequence[tuple[int, str]]
"""Line and message."""


class ArtifactKind(Enum):
    """How a file is read."""

    MANIFEST = "manifest"
    KUSTOMIZATION = "kustomization"
    SCRIPT = "script"
    COMPOSE = "compose"
    SYNTAX = "syntax"


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedFiles:
    """Files that an order touches, and the criteria that fall with one that cannot be used."""

    pattern: str
    """A path in which `*` stands for anything, slashes too."""
    kind: ArtifactKind
    criteria: tuple[str, ...]
    holding: bytes = b""
    """A regular expression that the file's bytes must contain to be meant."""


def inspect(tree: Tree, touched: Sequence[TouchedFiles], scratch: Path) -> tuple[Row, ...]:
    """Return what is wrong with the files that `touched` describes; `scratch` takes copies."""
    chosen = {
        (path, item.kind): item
        for item in reversed(touched)
        for path in tree.paths()
        if fnmatchcase(str(path), item.pattern)
        and _holds(tree, path, item.holding)
        and (item.kind is not ArtifactKind.SCRIPT or shutil.which("bash"))
    }
    together = _manifest_problems(
        {path: tree.read(path) or b"" for path, kind in chosen if kind is ArtifactKind.MANIFEST}
    )
    read: Mapping[ArtifactKind, Callable[[PurePosixPath], _Problems]] = {
        ArtifactKind.MANIFEST: lambda path: together.get(path, ()),
        ArtifactKind.KUSTOMIZATION: lambda path: tuple(_unlisted(tree, path)),
        ArtifactKind.SCRIPT: lambda path: _script(path, tree.read(path) or b"", scratch),
        ArtifactKind.COMPOSE: lambda path: _compose(tree, path),
        ArtifactKind.SYNTAX: lambda path: _syntax(path, tree.read(path) or b""),
    }
    return tuple(
        (f"inspect.{kind.value}@{path}", criterion, _seen(path, kind, read[kind](path)))
        for (path, kind), item in sorted(chosen.items(), key=lambda pair: str(pair[0]))
        for criterion in item.criteria
    )


def _holds(tree: Tree, path: PurePosixPath, wanted: bytes) -> bool:
    return not wanted or re.search(wanted, tree.read(path) or b"") is not None


def _seen(path: PurePosixPath, kind: ArtifactKind, problems: _Problems) -> Observation:
    expected, command = _TELLING[kind]
    told = [f"{path}:{line} {message}" for line, message in problems[:_TOLD]]
    more = [f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
    return Observation(
        passed=not problems,
        expected=expected,
        observed="; ".join([*told, *more]) or f"{path} holds",
        command=f"{command} {path}",
    )


_TELLING: Mapping[ArtifactKind, tuple[str, str]] = {
    ArtifactKind.MANIFEST: ("an API server that validates strictly takes it", "validate strictly"),
    ArtifactKind.KUSTOMIZATION: ("every resource it lists is there", "look for the resources of"),
    ArtifactKind.SCRIPT: ("bash parses it, and shellcheck, where it is, finds no error", "bash -n"),
    ArtifactKind.COMPOSE: (
        "compose takes it, with its override where it has one",
        "read as compose does",
    ),
    ArtifactKind.SYNTAX: ("it parses in its own language", "parse"),
}
"""What is expected of each kind, and what is done to it."""


def _manifest_problems(files: Mapping[PurePosixPath, bytes]) -> dict[PurePosixPath, _Problems]:
    found: dict[PurePosixPath, list[tuple[int, str]]] = {}
    for path, item in manifests.validate_together(files):
        # A kind without a schema here is not judged; a wrong version of a known one is.
        if item.rule != "unknown-kind":
            words = f"{item.subject} {item.pointer}: {item.message}"
            found.setdefault(path, []).append((item.line, words))
    return {path: tuple(items) for path, items in found.items()}


def _unlisted(tree: Tree, path: PurePosixPath) -> Iterator[tuple[int, str]]:
    from closeout.parsing.yaml import YamlError, find  # noqa: PLC0415 - loads the parser

    try:
        resources = find(tree.read(path) or b"", "resources")
    except YamlError as error:
        yield error.line, error.detail
        return
    paths = tree.paths()
    for entry in resources.entries if resources else ():
        name = entry.value.text
        if "://" in name or ".." in name:
            continue
        place = path.parent / name
        if tree.read(place) is None and not any(item.is_relative_to(place) for item in paths):
            yield entry.value.line, f"it lists {name}, which does not exist"


def _compose(tree: Tree, path: PurePosixPath) -> _Problems:
    override = compose_check.override_of(tree, path)
    added = None if override is None else tree.read(override)
    return [
        (item.line, item.message)
        for item in compose_check.problems(tree.read(path) or b"", override=added)
    ]


def _syntax(path: PurePosixPath, content: bytes) -> _Problems:
    trouble = syntax.trouble(path, content)
    return [] if trouble is None else [(trouble.line, trouble.message)]


def _script(path: PurePosixPath, content: bytes, scratch: Path) -> _Problems:
    if not _FIRST_LINES.match(content):
        return []
    copy = scratch / path.name
    copy.write_bytes(content)
    parsed = process.run(["bash", "-n", copy], env={"LC_ALL": "C"})
    if not parsed.ok:
        return _told_by_bash(parsed.err)
    linted = process.run(["shellcheck", "--severity=error", "--format=gcc", copy])
    return [
        (int(found[1]), found[2])
        for line in linted.out.splitlines()
        if (found := re.match(r".*?:(\d+):\d+: (.*)", line))
    ]


def _told_by_bash(words: str) -> _Problems:
    found = [(int(number), text) for number, text in re.findall(r": line (\d+): (.*)", words)]
    return found or [(1, words.strip()[:200] or "bash does not parse it")]
