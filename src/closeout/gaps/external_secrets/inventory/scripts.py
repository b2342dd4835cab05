"""Read secrets from scripts and from settings that connect, and tell those that open nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from closeout.fs.prefilter import holds
from closeout.fs.text_edit import line_number
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable
from closeout.parsing import python

_ASSIGNED = re.compile(
    rb"(?m)^(?![ \t]*(?:#|REM\b|::))[^\n#]*?(?:^|[\s;{(\"'-]|\$env:|\$\w+:|\$)"
    rb"(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?P<quote>[\"']?)(?P<value>[^\s\"';|&)]+)(?P=quote)"
)
_KEYED = re.compile(
    rb"(?m)(?:^|[{;])[ \t]*(?P<key>[\"'])(?P<name>[A-Za-z_]\w*)(?P=key)[ \t]*=[ \t]*"
    rb"(?P<quote>[\"'])(?P<value>[^\s\"';|&)]+)(?P=quote)"
)
"""An entry of a PowerShell hashtable whose key stands in quotes."""
_REMARK = re.compile(rb"(?:^|[\s;])#[^\n]*\Z")
_DEFAULT = re.compile(r"\$\{\w+:?-([^}$]*)\}")
_ADDRESS = re.compile(
    rb"[a-z][a-z0-9+.-]*://[^/\s@:\"'$<{]+:(?P<password>[^/\s@\"'$<{]+)@", re.IGNORECASE
)
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SHORTEST = 4
_KEY = re.compile(
    rb"(?m)^(?P<indent>[ \t]*)(?P<name>pass|password|passwd|secret|api_?key):[ \t]*"
    rb"(?P<quote>[\"']?)(?P<value>[^\s\"'{}$<>#]+)(?P=quote)[ \t]*(?:#[^\n]*)?\r?$"
)
_KEYS = (b"pass:", b"password:", b"passwd:", b"secret:", b"apikey:", b"api_key:")
_NEIGHBOURS = rb"(?m)^%s(?:host|hostname|server|user|username|port|dbname|database):"
_NEAR = 400
"""Characters around a password in which a connection says its host or user."""
BEARER = re.compile(rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")
_KNOWN_EXAMPLE = b"eyJzdWIiOiIxMjM0NTY3ODkw"
"""The payload that the format's own site shows."""
_THROWN_AWAY = re.compile(rb"://[^/\s@]+@(?:localhost|127\.0\.0\.1)\b")
_STARTS_STORE = re.compile(rb"(?m)^[ \t]+services:|\bdocker(?:[ -]compose)? (?:run|up)\b")
_EXAMPLES = frozenset({"example", "examples", "openapi_examples", "json_schema_extra"})
_SETTING = re.compile(
    rb"(?:[ \t]*(?:\*|#|//))?(?P<indent>[ \t]*)(?:-[ \t]+)?[\"']?(?P<key>[\w$.-]+)[\"']?[ \t]*:"
)
_EXAMPLE_KEYS = frozenset({b"example", b"examples"})
_FURTHEST = 40
"""Lines that are looked back for the key above."""
_FURTHEST_BYTES = 64 * 1024
"""Bytes that they have at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A secret that a script writes out: its name in capitals, and the match that holds it."""

    name: str
    value: str
    match: re.Match[bytes]

    @property
    def line(self) -> int:
        """Return the line that it stands on."""
        return line_number(self.match.string, self.match.start("name"))


def assigned(content: bytes) -> Iterator[Assigned]:
    """Yield every secret that a script gives a value, or one to fall back to."""
    for match in (*_ASSIGNED.finditer(content), *_entries(content)):
        written = match["value"].decode("utf-8", "replace")
        name = HUMP.sub("_", match["name"].decode()).upper()
        value = _DEFAULT.sub(r"\1", written)
        # Without quotes another name's value is a word of the language, such as `if`.
        if len(value) < _SHORTEST or not (match["quote"] or match["name"].isupper()):
            continue
        if is_secret(name, value) and is_usable(name, value):
            yield Assigned(name=name, value=value, match=match)


def _entries(content: bytes) -> Iterator[re.Match[bytes]]:
    for match in _KEYED.finditer(content):
        before = content[content.rfind(b"\n", 0, match.start("key")) + 1 : match.start("key")]
        if not _REMARK.search(before):
            yield match


@lru_cache(maxsize=128)
def in_script(content: bytes) -> tuple[tuple[str, int], ...]:
    """Return every secret that a shell's script gives a value, a default or an address."""
    found: dict[int, str] = {}
    for item in assigned(content):
        found.setdefault(item.line, item.name)
    for match in _ADDRESS.finditer(content):
        if is_usable("PASSWORD", match["password"].decode("utf-8", "replace")):
            found.setdefault(line_number(content, match.start()), "an address's password")
    return tuple((name, line) for line, name in sorted(found.items()))


def connection_passwords(content: bytes) -> Iterator[re.Match[bytes]]:
    """Yield every password that stands beside a host or a user in a YAML file of settings."""
    for match in _KEY.finditer(content) if holds(content, _KEYS) else ():
        around = content[max(0, match.start() - _NEAR) : match.end() + _NEAR]
        beside = re.search(_NEIGHBOURS % re.escape(match["indent"]), around)
        name = match["name"].decode().upper()
        if beside and is_usable(name, match["value"].decode("utf-8", "replace")):
            yield match


def in_connection(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield the passwords of `connection_passwords` by name and line."""
    for match in connection_passwords(content):
        yield match["name"].decode().upper(), line_number(content, match.start("name"))


def in_bearer(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield every signed token that is written out."""
    for match in BEARER.finditer(content):
        start = content.rfind(b"\n", 0, match.start()) + 1
        is_shown = b"example" in content[start : match.start()] or _is_example(
            content, match.start()
        )
        if _KNOWN_EXAMPLE not in match[0] and not is_shown:
            yield "bearer token", line_number(content, match.start())


def _is_example(content: bytes, offset: int) -> bool:
    """Return whether a place stands below the key `example` of YAML, in comments of code too."""
    start = content.rfind(b"\n", 0, offset) + 1
    lines = content[max(0, start - _FURTHEST_BYTES) : start].splitlines()[-_FURTHEST:]
    own = _SETTING.match(content[start : content.find(b"\n", offset)])
    if own is None:
        return False
    if own["key"] in _EXAMPLE_KEYS:
        return True
    depth = len(own["indent"])
    for line in reversed(lines):
        held = _SETTING.match(line)
        if held is not None and len(held["indent"]) < depth:
            if held["key"] in _EXAMPLE_KEYS:
                return True
            depth = len(held["indent"])
    return False


def thrown_away(content: bytes) -> frozenset[int]:
    """Return the lines of a workflow that speak of a store which the same workflow starts."""
    if not _STARTS_STORE.search(content):
        return frozenset()
    return frozenset(
        line_number(content, match.start()) for match in _THROWN_AWAY.finditer(content)
    )


def shown(content: bytes) -> frozenset[int]:
    """Return the lines of a Python module that only show: docstrings, and examples of schemas."""
    try:
        nodes = python.parse(content).nodes
    except SyntaxError:
        return frozenset()
    lines: set[int] = set()
    for node in nodes:
        for part in _shown(node):
            lines |= set(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    return frozenset(lines)


def _shown(node: ast.AST) -> Iterator[ast.expr]:
    held = node.value if isinstance(node, ast.Expr | ast.keyword) else None
    is_text = isinstance(node, ast.Expr) and isinstance(held, ast.Constant)
    if held and (is_text or (isinstance(node, ast.keyword) and node.arg in _EXAMPLES)):
        yield held
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in _EXAMPLES:
                yield value
