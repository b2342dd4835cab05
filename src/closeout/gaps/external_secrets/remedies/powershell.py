"""Have PowerShell scripts take their secrets from the environment, and say which is missing.

What other scripts load must not stop those that use none of it: there the value is asked for where
it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, indentation, line_start, splice
from closeout.gaps.external_secrets.inventory.scripts import Assigned, assigned
from closeout.gaps.external_secrets.remedies.known import KnownVariables

SUFFIXES = frozenset({".ps1", ".psm1"})
_SHARED = re.compile(rb"\$(?:script|global):\Z", re.IGNORECASE)
_STATEMENT = re.compile(rb"[ \t]*\$[\w:]+[ \t]*=[ \t]*\S")
_HANDED_ON = re.compile(rb"\$[\w:]+[ \t]*=[ \t]*\Z")
_OPEN = re.compile(rb"[`,|({]\s*$")
_USER = re.compile(
    rb"(?im)^[ \t]*[\"']?(?:email|user(?:_?name)?|login)[\"']?[ \t]*=[ \t]*"
    rb"[\"'](?P<name>[A-Za-z][\w.-]*)(?P<host>@[^\"'\n]*)?[\"']"
)
_NEAR = 200
"""Characters around a password in which its user stands."""


def mended(
    path: PurePosixPath, content: bytes, known: KnownVariables
) -> dict[PurePosixPath, bytes]:
    """Return the script with its secrets read from variables, and the scripts that use them.

    A file that stays as it is, is left out.
    """
    splices: dict[PurePosixPath, list[Splice]] = {}
    for item in assigned(content):
        name = known.name_for(path, item.name, item.value) or _of_user(content, item, known)
        quote, written = item.match["quote"], item.match["value"].decode("utf-8", "replace")
        if not (name and quote) or "$" in written:
            continue
        shared = _SHARED.search(content[: item.match.start("name")])
        text = f"$(if ($env:{name}) {{ $env:{name} }} else {{ {_missing(path, name, known)} }})"
        if shared is not None:
            text = f"$env:{name}"
            variable = content[shared.start() : item.match.end("name")]
            for where, guard in _asked(variable, name, known):
                splices.setdefault(where, []).append(guard)
        place_of = Splice(start=item.match.start("quote"), end=item.match.end(), text=text)
        splices.setdefault(path, []).append(place_of)
    return {where: splice(known.tree.read(where) or b"", each) for where, each in splices.items()}


def _missing(path: PurePosixPath, name: str, known: KnownVariables) -> str:
    place = known.env_file(path, name)
    return f'throw "{name} is not set{f": take it from {place}" if place else ""}"'


def _of_user(content: bytes, item: Assigned, known: KnownVariables) -> str:
    """Return the variable for the password of a user who is named beside it.

    It is what a seed makes that user with, else one that is called after the user.
    """
    start = item.match.start()
    around = content[max(0, start - _NEAR) : start + _NEAR]
    found = _USER.finditer(around)
    users = {(match["name"].decode(), (match["host"] or b"").decode()) for match in found}
    if len({name for name, _ in users}) != 1:
        return ""
    name, host = min(users)
    own = f"{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_')}_PASSWORD"
    return (known.seeded(f"{name}{host}") if host else "") or own


def _asked(
    variable: bytes, name: str, known: KnownVariables
) -> Iterator[tuple[PurePosixPath, Splice]]:
    """Yield, by script, what asks for a shared variable ahead of each statement that uses it.

    A use that only hands it on to another name or to a program's environment is none.
    """
    use = re.compile(re.escape(variable) + rb"\b(?![ \t]*=(?!=))", re.IGNORECASE)
    for path in known.tree.ending(SUFFIXES):
        content = known.tree.read(path) or b""
        for match in use.finditer(content):
            start = line_start(content, match.start())
            line = content[start : match.end()]
            if _HANDED_ON.search(content[start : match.start()]):
                continue
            if _STATEMENT.match(line) and not _OPEN.search(content[:start].rstrip(b" \t")):
                blank = indentation(content, start)
                guard = f"if (-not {variable.decode()}) {{ {_missing(path, name, known)} }}"
                yield path, Splice(start=start, end=start, text=f"{blank}{guard}\n")
