"""Find secrets that are written out, and take those out of compose files and env examples.

A compose file then reads each from the `.env` beside it and refuses to start without it; the
example beside it names them. In an example a value makes way for a blank or a placeholder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.fs.text_edit import Splice, line_ending, splice
from closeout.gaps.external_secrets.inventory.literals import Literal, is_environment
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing.yaml import Node
from closeout.resources import render

_DEFAULT = re.compile(r"\$\{(\w+):?-([^}]*)\}")
_ADDRESS = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]*://[^/\s@:]*:)(?P<password>[^/\s@]+)@(?P<host>[\w.-]*)"
)
_ASSIGNMENT = re.compile(
    rb"^(?P<head>[ \t]*(?:export[ \t]+)?(?P<name>[A-Z][A-Z0-9_]*)[ \t]*=[ \t]*)(?P<quote>[\"']?)"
    rb"(?P<value>[^\"'\s#][^\"'\r\n]*?)(?P=quote)(?=[ \t]*(?:\s#[^\r\n]*)?\r?$)",
    re.MULTILINE,
)
_OF_SCHEME = {"postgres": "POSTGRES", "amqp": "RABBITMQ", "mysql": "MYSQL", "mongodb": "MONGO"}


@dataclass(slots=True)
class _Names:
    """The variables that a folder's compose files will read, each with the value it stands for."""

    values: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, service: str, value: str) -> str:
        """Return the variable for `value`: `name`, unless that already stands for another."""
        if self.values.setdefault(name, value) == value:
            return name
        own = f"{re.sub(r'[^A-Z0-9]+', '_', service.upper())}_{name}"
        self.values[own] = value
        return own

    def rows(self) -> list[dict[str, str]]:
        """Return each variable, with the earlier one that stood for the same value."""
        first: dict[str, str] = {}
        rows = []
        for name, value in sorted(self.values.items()):
            rows.append({"name": name, "same_as": first.get(value, "") if value else ""})
            first.setdefault(value, name)
        return rows


def unwritten(tree: Tree, found: tuple[Literal, ...]) -> tuple[Changeset, ...]:
    """Return the changesets that take the literals out, and what a person has to take out."""
    by_path: dict[PurePosixPath, list[Literal]] = defaultdict(list)
    for item in found:
        by_path[item.path].append(item)
    texts: dict[PurePosixPath, bytes] = {}
    lefts: dict[PurePosixPath, tuple[Unresolved, ...]] = {}
    added: dict[PurePosixPath, _Names] = defaultdict(_Names)
    for path in sorted(by_path):
        content = tree.read(path) or b""
        after = content
        if compose.may_be_compose(path):
            after = _compose(path, content, added[path.parent])
        elif is_environment(path) and "example" in path.name:
            after = _example(content)
        texts[path], lefts[path] = after, _left(by_path[path], content, after)
    # The example beside a compose file may hold a secret of its own: its changeset is one.
    texts |= dict(_examples(tree, added, texts))
    made = (_changeset(tree, path, text, lefts.get(path, ())) for path, text in texts.items())
    return tuple(item for item in made if item.edits or item.unresolved)


def _compose(path: PurePosixPath, content: bytes, names: _Names) -> bytes:
    services = compose.services(path, content)
    own = {item.name: item.variables for item in services}
    splices: dict[int, Splice] = {}
    for service in services:
        for node, name, value in service.assignments():
            if node.start in splices or not is_secret(name, value):
                continue
            text = _rewritten(name, value, service.name, own, names)
            if text != value:
                whole = node.text.removesuffix(value) + text
                splices[node.start] = Splice(
                    start=node.start, end=node.end, text=_scalar(content, node, whole)
                )
    return splice(content, splices.values())


def _rewritten(
    name: str, value: str, service: str, own: Mapping[str, Mapping[str, str]], names: _Names
) -> str:
    default = _DEFAULT.search(value)
    if default is not None and is_usable(name, _DEFAULT.sub(r"\2", value)):
        # The owner of the file chose this variable, and may set it already.
        names.values.setdefault(default[1], default[2])
        return _DEFAULT.sub(lambda each: _required(each[1]), value)
    if not is_usable(name, value):
        return value
    address = _ADDRESS.match(value)
    if address is None:
        return _required(names.take(name, service, value))
    variable = _password_variable(address, own.get(address["host"], {}))
    taken = names.take(variable, address["host"] or service, address["password"])
    return value[: address.start("password")] + _required(taken) + value[address.end("password") :]


def _required(name: str) -> str:
    return f"${{{name}:?set it in .env}}"


def _password_variable(address: re.Match[str], store: Mapping[str, str]) -> str:
    """Return the variable by which the store itself takes this password, else a usual name."""
    for name, value in store.items():
        default = _DEFAULT.fullmatch(value)
        if is_secret(name, value) and address["password"] in {value, default[2] if default else ""}:
            return default[1] if default else name
    scheme = address["head"].partition(":")[0].partition("+")[0].rstrip("s").lower()
    for start, software in _OF_SCHEME.items():
        if scheme.startswith(start.rstrip("s")):
            return f"{software}_PASSWORD"
    return f"{scheme.upper()}_PASSWORD"


def _scalar(content: bytes, node: Node, text: str) -> str:
    """Return `text` as the scalar was written: in its quotes, else plain where YAML allows it."""
    quote = content[node.start : node.start + 1].decode("latin-1")
    if quote in {"'", '"'}:
        return quote + text + quote
    before = content[content.rfind(b"\n", 0, node.start) + 1 : node.start]
    return f'"{text}"' if b"{" in before or b"[" in before else text


def _example(content: bytes) -> bytes:
    splices = []
    for match in _ASSIGNMENT.finditer(content):
        name, value = match["name"].decode(), match["value"].decode("utf-8", "replace")
        if not (is_secret(name, value) and is_usable(name, value)):
            continue
        address = _ADDRESS.match(value)
        start, end = match.span("value")
        text = (
            "" if address is None else value.replace(f":{address['password']}@", ":<password>@", 1)
        )
        splices.append(Splice(start=start, end=end, text=text))
    return splice(content, splices)


def _left(found: list[Literal], content: bytes, after: bytes) -> tuple[Unresolved, ...]:
    """Return the places whose line the edit did not change: a person has to take them out."""
    before_lines, after_lines = content.splitlines(), after.splitlines()
    return tuple(
        Unresolved(
            path=item.path,
            reason=Reason.AMBIGUOUS,
            detail=f"{item.name} {item.form.value}",
            line=item.line,
            hint="read it from the environment, and give its owner a new one: this one is known.",
        )
        for item in found
        if before_lines[item.line - 1 : item.line] == after_lines[item.line - 1 : item.line]
    )


def _changeset(
    tree: Tree, path: PurePosixPath, after: bytes, left: tuple[Unresolved, ...]
) -> Changeset:
    before = tree.read(path)
    edits: tuple[Edit, ...] = ()
    if after != before:
        edits = (Edit(path=path, before=before, after=after, mode=tree.mode(path)),)
    stem = re.sub(r"[^a-z0-9]+", "-", str(path).lower()).strip("-")
    return Changeset(name=f"literals-{stem}", edits=edits, source=Source.CODE, unresolved=left)


def _examples(
    tree: Tree, added: Mapping[PurePosixPath, _Names], changed: Mapping[PurePosixPath, bytes]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the env example beside each compose file, with the variables that it lacks."""
    for folder, names in sorted(added.items()):
        path = folder / ".env.example"
        before = changed.get(path, tree.read(path))
        content = before or b""
        rows = [
            row
            for row in names.rows()
            if not re.search(rb"^(?:export )?%s=" % row["name"].encode(), content, re.MULTILINE)
        ]
        if not rows:
            continue
        ending = line_ending(content, len(content)) if content else b"\n"
        text = render("external-secrets/env.example.j2", {"variables": rows, "fresh": not content})
        start = b"" if not content or content.endswith(b"\n") else ending
        yield path, content + start + text.replace(b"\n", ending)
