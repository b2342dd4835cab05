"""Mask secrets in what is shown and kept of a tree: by name, by form, and those that were found.

Only the undo store keeps the bytes themselves. What is masked too much costs a reader a value that
the tree still holds; what is masked too little stands in a file that somebody sends around.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"

_SHORTEST = 6
"""Characters; a shorter value that was found is masked where it stands, not wherever it occurs."""

_SECRETIVE = (
    r"(?:secret|passw(?:or)?d|pass(?=[_\W])|passphrase|token|api_?key|credential|pepper|dsn)"
)
_NAME = rf"[\w.-]{{0,60}}{_SECRETIVE}[\w.-]{{0,60}}"
_OPEN = r"(?!\$|<|\{\{|change|replace|your|\*)"
"""What refers to a value elsewhere, or stands for one, is shown."""
_DEMAND = r"(?!\?[^}\n]*\})"
"""What compose says of a missing variable, as in `${NAME:?set it in .env}`, is shown too."""

_QUOTED = re.compile(
    rf"""(?P<kept>\b{_NAME}["'`\])]*\s*(?:[:=!]=?=?|,|\|\||\?\?)\s*)"""
    rf"""(?P<quote>["'`]){_OPEN}(?P<value>[^"'`\n]+)(?P=quote)""",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"""(?P<kept>\b{_NAME}["']?[ \t]*[:=][ \t]*){_OPEN}{_DEMAND}"""
    r"""(?P<value>[^\s"'`#,;(){}\[\]]+)""",
    re.IGNORECASE,
)
_DEFAULT = re.compile(
    rf"(?P<kept>\$\{{{_NAME}:?[-=])(?!\$\{{)(?P<value>[^}}\n]+)(?=\}})",
    re.IGNORECASE,
)
_IN_URL = re.compile(
    r"(?P<kept>\b[a-z][a-z0-9+.-]{0,20}://[^\s:@/]{0,99}:)(?!\$|<|\{)(?P<value>[^\s@/$]{1,999})(?=@)"
)
_BEARER = re.compile(r"(?P<kept>)(?P<value>\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)")
_KEY_BLOCK = re.compile(
    r"(?P<kept>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?P<value>.*?)(?=-----END|\Z)", re.DOTALL
)
_ANY_QUOTED = re.compile(r"""(["'`])(?P<value>[^"'`\n]+)\1""")

_PLAIN = re.compile(r"\A[A-Z][A-Z0-9_]*\Z|\s|\A(?:true|false|null|none)\Z|\$\{")
"""What is no secret beside one."""

_SETTINGS = (
    *(".yml", ".yaml", ".env", ".conf", ".ini", ".toml", ".properties"),
    *(".example", ".sample", ".template", ".tmpl", ".dist"),
)


def masked(text: str, found: Iterable[str] = (), *, settings: bool = False) -> str:
    """Return `text` with its secrets masked.

    `found` are values known to be secret, masked wherever they occur; `settings` says that names
    and values stand there without quotes, as in YAML.
    """
    for value in sorted(set(found), key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, MASK)
    forms = (_KEY_BLOCK, _BEARER, _IN_URL, _DEFAULT, _QUOTED, *((_BARE,) if settings else ()))
    for form in forms:
        text = form.sub(_hidden, text)
    return text


def diff(content: bytes, found: Iterable[str] = ()) -> bytes:
    """Return a unified diff with the secrets of its files masked; its line structure stays."""
    known = tuple(found)
    text = content.decode("utf-8", "surrogateescape")
    sections = re.split(r"(?m)^(?=diff --git )", text)
    return "".join(
        masked(section, known, settings=_is_of_settings(section)) for section in sections
    ).encode("utf-8", "surrogateescape")


def values(lines: Iterable[str]) -> frozenset[str]:
    """Return what lines that hold a secret may hold: what is quoted there, or assigned.

    Names of variables and sentences are left out.
    """
    forms = (_ANY_QUOTED, _IN_URL, _DEFAULT, _BARE)
    found = {match["value"] for line in lines for form in forms for match in form.finditer(line)}
    return frozenset(item for item in found if not _PLAIN.search(item))


def _is_of_settings(section: str) -> bool:
    path = section.partition("\n")[0].rpartition("/")[2]
    return path.endswith(_SETTINGS) or ".env" in path or path.startswith("Dockerfile")


def _hidden(match: re.Match[str]) -> str:
    quote = match.groupdict().get("quote") or ""
    return f"{match['kept']}{quote}{_mask_of(match['value'])}{quote}"


def _mask_of(value: str) -> str:
    """Return the mask, of as many lines; a diff's sign before each stays."""
    first, *lines = value.split("\n")
    rest = [line[:1].strip(" ") + (MASK if line[1:] else "") for line in lines]
    return "\n".join([MASK if first or not lines else "", *rest])
