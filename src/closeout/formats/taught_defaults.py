"""Find the documents that teach a default which code or compose had, once a fix took it out.

A document teaches one where it says so of a variable (a table's column, `default: …`, a reference
such as `${NAME:-…}`, a line of code), or where it tells a server's password. What merely names the
variable, sets it, or gives it another value teaches none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.interpolation import DEFAULT, unset
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.model import Reason, Tree, Unresolved

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@:]*:(?P<password>[^/\s@]+)@", re.IGNORECASE)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)+\b")
_RULE = re.compile(r"[\s|:-]*-[\s|:-]*\Z")
_SPAN = re.compile(r"`([^`]+)`")
_VALUE = r"[*_\s]*(?:[:=][\s*_]*|(?:is|to)\s+|\s)(?P<quote>[`'\"]?)(?P<value>[^\s`'\",;)|]+)"
_NOT_NOW = r"(?<!no )(?<!old )(?<!former )(?<!previous )"
_SAID = re.compile(rf"{_NOT_NOW}\bdefaults?\b{_VALUE}", re.IGNORECASE)
PASSWORD = re.compile(
    rf"{_NOT_NOW}(?<!-)\b(?:pass(?:word)?\b[`'\"*]*[ \t]*[:=]"
    r"|default\b[*_]*[:=]?[ \t]*[`'\"]?[\w.@-]+[`'\"]?[ \t]*/)"
    r"[ \t]*[`'\"*]*(?P<value>[^\s`'\",;)|]+)",
    re.IGNORECASE,
)
"""A password by that word, or the second of two that are told as the defaults of a login."""
_CODE = (
    re.compile(
        r"\benv(?:\.(?P<name>\w+)|\[['\"](?P<key>\w+)['\"]\])\s*(?:\|\||\?\?)\s*"
        r"(?P<quote>['\"`])(?P<value>[^'\"`\n]+)(?P=quote)"
    ),
    re.compile(
        r"\b(?:getenv|environ\.get|env_var)\(\s*['\"](?P<name>\w+)['\"]\s*,\s*"
        r"(?P<quote>['\"])(?P<value>[^'\"\n]+)(?P=quote)(?P<key>)"
    ),
)
DOCUMENTS = (".md", ".mdx", ".rst", ".adoc")
_RECORDS = frozenset({"changelog", "history", "report", "reports", "evidence", "archive"})
_SHORTEST_SECRET = 6
_SHORTEST_NAME = 5
"""Shorter passwords, and names of servers, are words that stand anywhere."""


def is_document(path: PurePosixPath) -> bool:
    """Return whether a file tells how things are: one that keeps what was is right as it is."""
    folders = {part.lower() for part in path.parts[:-1]}
    is_open = not any(part.startswith(".") for part in path.parts) and "node_modules" not in folders
    words = re.split(r"[^a-z]+", path.stem.lower())
    return is_open and _RECORDS.isdisjoint({*folders, *words})


_TEACHES = question(
    DOCUMENTS,
    lambda content: holds_in_any_case(content, (b"default", b"pass", b":-", b"env")),
    is_document,
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TakenDefault:
    """A default that a fix took out of a file: the variable, and the secret that it held."""

    path: PurePosixPath
    name: str
    secret: str


def secret_in(value: str) -> str:
    """Return the secret of a value: the password of an address, else all of it."""
    text = unset(value.strip())
    address = _ADDRESS.match(text)
    return address["password"] if address is not None else text


def teaching(tree: Tree, taken: Collection[TakenDefault]) -> Iterator[Unresolved]:
    """Yield where the tree's documents teach what was taken out, each variable once a document."""
    for path in tree.candidates(_TEACHES) if taken else ():
        text = (tree.read(path) or b"").decode("utf-8", "replace")
        held = [item for item in taken if item.secret in text]
        known = sorted(held, key=lambda item: distance(item.path, path))
        seen: set[str] = set()
        for line, found in _taught(text, known) if known else ():
            fresh = {item.name: item for item in reversed(found) if item.name not in seen}
            seen |= fresh.keys()
            for item in fresh.values():
                yield Unresolved(
                    path=path,
                    reason=Reason.AMBIGUOUS,
                    line=line,
                    detail=f"teaches a default that {item.name} had in {item.path}",
                    hint="name none there: compose takes the secret from the .env "
                    "beside it, code from its environment.",
                )


def distance(path: PurePosixPath, document: PurePosixPath) -> tuple[bool, int, int, str]:
    """Return how far a file is from a document: one of a stack goes before all others."""
    shared = len({*path.parts[:-1]} & {*document.parts[:-1]})
    return (path.suffix not in {".yml", ".yaml"}, -shared, len(path.parts), str(path))


def _taught(text: str, known: Sequence[TakenDefault]) -> Iterator[tuple[int, list[TakenDefault]]]:
    """Yield the lines that teach a default, each with those of `known` that it may be."""
    columns: frozenset[int] = frozenset()
    told: set[str] = set()
    secrets = {item.secret for item in known}
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        cells = line.strip().strip("|").split("|") if "|" in line else []
        if not cells:
            columns = frozenset()
        elif number < len(lines) and "|" in lines[number] and _RULE.match(lines[number]):
            columns = frozenset(at for at, cell in enumerate(cells) if "default" in cell.lower())
            continue
        if not any(secret in line for secret in secrets):
            continue
        named = (*_in_line(line), *_in_row(cells, columns))
        said = {(name, secret_in(value)) for name, value in named}
        found = [item for item in known if (item.name, item.secret) in said]
        server = [item for item in known if not found and _is_told_of(item, line)]
        if told.isdisjoint(item.name for item in server):
            shortest = min((item.name for item in server), key=len, default="")
            found += [item for item in server if item.name == shortest]
        told |= {item.name for item in found}
        if found:
            yield number, found


def _in_line(line: str) -> Iterator[tuple[str, str]]:
    for reference in DEFAULT.finditer(line):
        yield reference["name"], reference["word"]
    for pattern in _CODE:
        for match in pattern.finditer(line):
            yield match["name"] or match["key"], match["value"]
    for match in _SAID.finditer(line):
        names = _VARIABLE.findall(line, 0, match.start())
        yield from ((name, match["value"].rstrip(".")) for name in names[-1:])


def _in_row(cells: list[str], columns: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Yield the variables of a table's row, each with what its column of defaults says."""
    for at in columns:
        others = [cell for place, cell in enumerate(cells) if place != at]
        names = [name for cell in others[:1] for name in _VARIABLE.findall(cell)]
        text = cells[at].strip() if at < len(cells) else ""
        for value in _SPAN.findall(text) or [text]:
            yield from ((name, value) for name in names)


def _is_told_of(item: TakenDefault, line: str) -> bool:
    """Return whether a line tells the password of the server that a variable is about."""
    software = item.name.partition("_")[0].lower()
    is_short = len(item.secret) < _SHORTEST_SECRET or len(software) < _SHORTEST_NAME
    if is_short or "PASS" not in item.name:
        return False
    told = (match["value"].rstrip(".") for match in PASSWORD.finditer(line))
    return software in line.lower() and item.secret in told
