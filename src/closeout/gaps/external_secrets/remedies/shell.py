"""Have shell scripts take their secrets from the environment, and say which one is missing."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.inventory.scripts import Assigned, assigned
from closeout.gaps.external_secrets.remedies.known import KnownVariables

SUFFIXES = frozenset({".sh", ".bash"})
_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?-[^}$]*\}")
_HEREDOC = re.compile(
    rb"<<-?[ \t]*([\"']?)(\w+)\1[^\n]*\n.*?^[ \t]*\2[ \t]*$", re.DOTALL | re.MULTILINE
)
_STARTED = re.compile(rb"(?:-e|--env)[ \t=]+\Z|[\"']\Z")
"""What a container is started with, and what another shell is told: neither is this script's."""
_EXPORTED = rb"(?m)^[ \t]*export[ \t]+(?:\S+[ \t]+)*%s\b"


def mended(path: PurePosixPath, content: bytes, known: KnownVariables) -> bytes:
    """Return the script with its secrets read from variables, each required where it is used.

    A secret stays where the script runs in a container that is not given the variable.
    """
    splices = []
    quoted = [match.span() for match in _HEREDOC.finditer(content)]
    for item in assigned(content):
        start = item.match.start("name")
        inside = any(first <= start < last for first, last in quoted)
        if inside or _STARTED.search(content[:start]):
            continue
        text = _read(path, content, item, known)
        if text:
            first, last = item.match.start("quote"), item.match.end("quote")
            first = first if item.match["quote"] else item.match.start("value")
            last = item.match.end()
            splices.append(Splice(start=first, end=last, text=f'"{text}"'))
    return splice(content, splices)


def _read(path: PurePosixPath, content: bytes, item: Assigned, known: KnownVariables) -> str:
    """Return the expansion that reads the secret, empty where no variable for it is clear."""
    written = item.match["value"].decode("utf-8", "replace")
    default = _DEFAULT.fullmatch(written)
    if default is None and "$" in written:
        return ""
    given = default["name"] if default else ""
    is_named = bool(given) and not given.isdigit()
    name = given if is_named else known.name_for(path, item.name, item.value)
    if not name or known.lacking(path, name):
        return ""
    asked = f"${{{name}{_missing(path, content, item, name, known)}}}"
    return asked if is_named or not given else f"${{{given}:-{asked}}}"


def _missing(
    path: PurePosixPath, content: bytes, item: Assigned, name: str, known: KnownVariables
) -> str:
    """Return what happens without the variable; nothing where the script never uses it."""
    if not _is_used(content, item):
        return ":-"
    place = "" if known.is_contained(path) else known.env_file(path, name)
    return f":?is not set: take it from {place}" if place else ":?is not set"


def _is_used(content: bytes, item: Assigned) -> bool:
    name = re.escape(item.match["name"])
    rest = content[: item.match.start("name")] + content[item.match.end() :]
    line = content[item.match.end() :].split(b"\n", 1)[0].strip()
    before_command = bool(line) and not line.startswith((b"#", b";", b"&", b"|", b")"))
    handed_on = before_command or re.search(_EXPORTED % name, content)
    return bool(handed_on or re.search(rb"\$\{?%s\b" % name, rest))
