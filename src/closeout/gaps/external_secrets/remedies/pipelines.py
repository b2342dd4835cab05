"""Have a pipeline take a token from where its CI keeps secrets: nothing in a file can be one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, indentation, line_start, splice
from closeout.gaps.external_secrets.inventory.scripts import BEARER, HUMP
from closeout.parsing.yaml import Node, NodeKind, YamlError, documents

_AZURE = re.compile(rb"(?m)^[ \t-]*task:[ \t]*['\"]?\w+@\d|\bvmImage:")
_UNNAMED = "BEARER_TOKEN"
_WHOLE = re.compile(rb"(?:Bearer )?" + BEARER.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipelines:
    """One sort of CI: how its files refer to a secret, and where a person defines it."""

    reference: str
    place: str

    def named(self, name: str) -> str:
        """Return how a file takes the secret `name`."""
        return self.reference.replace("NAME", name)


AZURE = Pipelines(
    reference="$(NAME)", place="a secret variable of this pipeline or of a group that it takes in"
)
GITHUB = Pipelines(
    reference="${{ secrets.NAME }}", place="a secret of this repository or of its organization"
)
GITLAB = Pipelines(reference="$NAME", place="a masked variable of this project or of its group")


def pipelines(path: PurePosixPath, content: bytes) -> Pipelines | None:
    """Return which CI a file speaks to; None for any other file."""
    if path.parts[:2] == (".github", "workflows"):
        return GITHUB
    if path.name.startswith(".gitlab-ci"):
        return GITLAB
    if path.suffix in {".yml", ".yaml"} and (
        path.name.startswith("azure-pipeline") or _AZURE.search(content)
    ):
        return AZURE
    return None


def mended(path: PurePosixPath, content: bytes) -> bytes:
    """Return the file with every signed token taken from a secret of the CI.

    A line above says what a person has to define, and that the token which stood there is known.
    """
    spoken = pipelines(path, content)
    if spoken is None:
        return content
    try:
        tops = documents(content)
    except YamlError:
        return content
    scalars = sorted((each for top in tops for each in _scalars(top)), key=lambda each: each[1])
    # A variable that is defined by itself is never resolved.
    taken = set() if spoken is GITHUB else {key.upper() for key, _, _ in scalars}
    tokens: dict[str, bytes] = {}
    splices: dict[int, Splice] = {}
    for key, start, node in scalars:
        raw = content[node.start : node.end]
        is_whole = _WHOLE.fullmatch(raw.strip(b"\"'")) is not None
        for match in BEARER.finditer(raw) if is_whole or spoken is not GITLAB else ():
            name = _name(key) if is_whole else _UNNAMED
            name = f"{name}_SECRET" if name in taken else name
            is_read = spoken.named(name).encode() in content
            if node.alias or is_read or tokens.setdefault(name, match[0]) != match[0]:
                continue
            first, last = node.start + match.start(), node.start + match.end()
            splices[first] = Splice(start=first, end=last, text=spoken.named(name))
            splices.setdefault(line_start(content, start), _told(content, start, name, spoken))
    return splice(content, splices.values())


def _name(key: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", HUMP.sub("_", key).upper()).strip("_")


def _told(content: bytes, start: int, name: str, spoken: Pipelines) -> Splice:
    at = line_start(content, start)
    blank = indentation(content, at)
    text = (
        f"{blank}# Define {name} as {spoken.place}.\n"
        f"{blank}# The token that stood here is known: its issuer has to revoke it.\n"
    )
    return Splice(start=at, end=at, text=text)


def _scalars(top: Node) -> Iterator[tuple[str, int, Node]]:
    """Yield the name, the place and the value of every entry; of a list of pairs by its `name`."""
    waiting = [top]
    while waiting:
        node = waiting.pop()
        named = node.get("name")
        for entry in node.entries:
            value = entry.value
            if value.kind is not NodeKind.SCALAR:
                waiting.append(value)
            elif node.kind is NodeKind.MAPPING:
                is_pair = entry.key == "value" and named is not None
                yield named.text if is_pair and named else str(entry.key), entry.start, value
