"""Have files of connections take their passwords from the environment, where their reader can."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.inventory.commands import software_of
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable
from closeout.gaps.external_secrets.inventory.scripts import connection_passwords
from closeout.gaps.external_secrets.remedies.known import KnownVariables

_EXPANDED = re.compile(rb"\$\{\w+(?::-[^}]*)?\}")
_TYPE = rb"(?m)^%s(?:type|engine|driver|dialect):[ \t]*[\"']?([a-z]+)"
_FEAST = frozenset({"feature_store.yaml", "feature_store.yml"})
_PROFILE = re.compile(
    rb"(?P<call>\benv_var\(\s*(?P<quote>['\"])(?P<name>[A-Z][A-Z0-9_]*)(?P=quote)\s*,\s*)"
    rb"(?P<mark>['\"])(?P<value>[^'\"]*)(?P=mark)"
)
_NEAR = 400


def mended(path: PurePosixPath, content: bytes, known: KnownVariables) -> bytes:
    """Return the file with its passwords read from variables; others are left to a person."""
    if path.stem == "profiles":
        return _profiles(content)
    if path.name not in _FEAST and not _EXPANDED.search(content):
        return content
    splices = []
    for match in connection_passwords(content):
        value = match["value"].decode("utf-8", "replace")
        written = match["name"].decode().upper()
        name = known.name_for(path, written, value, _software(content, match))
        if name and not known.lacking(path, name):
            start, end = match.span("value")
            splices.append(Splice(start=start, end=end, text=f"${{{name}}}"))
    return splice(content, splices)


def _software(content: bytes, match: re.Match[bytes]) -> str:
    """Return what the variables of the software start with that a connection speaks to."""
    start = content.rfind(b"\n\n", 0, match.start())
    block = content[max(start, match.start() - _NEAR, 0) : match.start()]
    types = re.findall(_TYPE % re.escape(match["indent"]), block)
    return software_of(types[-1].decode()) if types else ""


def _profiles(content: bytes) -> bytes:
    """Return the profile with its secrets falling back to nothing: it is read without them too."""
    splices = []
    for match in _PROFILE.finditer(content):
        name, value = match["name"].decode(), match["value"].decode("utf-8", "replace")
        if is_secret(name, value) and is_usable(name, value):
            splices.append(Splice(start=match.start("value"), end=match.end("value"), text=""))
    return splice(content, splices)
