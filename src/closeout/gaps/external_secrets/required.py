"""Have a compose file require its secrets from the `.env` beside it, each by one name.

Only the secret goes: of an address the password alone, so a database's user, host and name keep
the values and defaults that they have. A password that a server's command or health check repeats
is read from the same variable there.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.compose_example import reference
from closeout.formats.interpolation import DEFAULT, unset
from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.accounts import ADDRESS
from closeout.gaps.external_secrets.inventory.commands import (
    passwords,
    software,
    software_of,
    spoken,
)
from closeout.gaps.external_secrets.inventory.names import is_secret, works
from closeout.gaps.external_secrets.inventory.servers import is_account, servers
from closeout.parsing.yaml import Node

_SHORTEST = 6
"""A password with fewer characters is looked for nowhere else: it may be any word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A password that a service of the file is started with, and the variable for it."""

    service: str
    variable: str
    is_chosen: bool = False
    """Whether the file itself has that variable: whoever keeps it may set it already."""


@dataclass(slots=True)
class RequiredNames:
    """The variables that a folder's compose files will read, each with the value it stands for."""

    values: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, service: str, value: str) -> str:
        """Return the variable for `value`: `name`, unless that already stands for another."""
        prefix = re.sub(r"[^A-Z0-9]+", "_", service.upper()).strip("_")
        own = name
        while self.values.setdefault(own, value) != value:
            own = f"{prefix}_{own}"
        return own

    def give(self, password: Password, value: str) -> str:
        """Return the variable of a password, as the service that is started with it reads it."""
        if password.is_chosen:
            self.values.setdefault(password.variable, value)
            return password.variable
        return self.take(password.variable, password.service, value)


def literal(value: str) -> str:
    """Return the password that a variable's value is or holds, by a default or in an address."""
    address = ADDRESS.match(value)
    text = address["password"] if address is not None else value
    default = DEFAULT.search(text)
    return default[2] if default is not None else text


def required(
    path: PurePosixPath, content: bytes, names: RequiredNames, left: Container[str] = ()
) -> bytes:
    """Return the compose file with its secrets taken from variables, which `names` keeps.

    The passwords in `left` stay where they are.
    """
    services = compose.services(path, content)
    said = frozenset(_said(services))
    splices: dict[int, Splice] = {}
    for service in services:
        for node, name, value in service.assignments():
            if node.start in splices or not is_secret(name, value) or literal(value) in left:
                continue
            text = referring(name, value, service, services, names)
            if text != value:
                splices[node.start] = _spliced(content, node, node.text.removesuffix(value) + text)
    for service in services:
        given = [
            row for row in passwords(service) if literal(row[0].text[row[1] : row[2]]) not in left
        ]
        for node in spoken(service):
            places = [(start, end) for each, start, end in given if each is node]
            text = _repeated(service, node.text, places, names, said)
            raw = content[node.start : node.end].decode("utf-8", "replace")
            if node.start in splices or text == node.text:
                continue
            if raw.strip("\"'") == node.text:
                splices[node.start] = _spliced(content, node, text)
            else:
                # Folded over lines, or with escapes: what was found is replaced where it stands.
                text = _repeated(service, raw, (), names, said)
                splices[node.start] = Splice(start=node.start, end=node.end, text=text)
    return splice(content, splices.values())


def referring(
    name: str,
    value: str,
    service: compose.ComposeService,
    services: Sequence[compose.ComposeService],
    names: RequiredNames,
) -> str:
    """Return what gives a service the secret `value` in `name`, as the rest of its file does."""
    if is_account(name, value, service, services) or not works(name, unset(value)):
        return value
    address = ADDRESS.match(value)
    if address is not None:
        return _in_address(value, address, service, services, names)
    held = _given_by(service, services).get(literal(value))
    default = DEFAULT.search(value)
    if default is None:
        own = Password(service=service.name, variable=name)
        return reference(names.give(held or own, value))
    if held is not None and default[0] == value and held.variable != default[1]:
        # Set by itself it goes first, as before; else it is what opens the server.
        return f"{value[: default.start(2)]}{reference(names.give(held, default[2]))}}}"
    return DEFAULT.sub(lambda each: _kept(each, names), value)


def _in_address(
    value: str,
    address: re.Match[str],
    service: compose.ComposeService,
    services: Sequence[compose.ComposeService],
    names: RequiredNames,
) -> str:
    password = address["password"]
    if DEFAULT.search(password) is not None:
        text = DEFAULT.sub(lambda each: _kept(each, names), password)
    else:
        store = {
            value: held
            for item in services
            if item.name == address["host"]
            for value, held in _taken_by(item)
        }
        fresh = Password(
            service=address["host"] or service.name,
            variable=f"{software_of(address['scheme'].partition('+')[0])}_PASSWORD",
        )
        text = reference(names.give(store.get(password, fresh), password))
    return value[: address.start("password")] + text + value[address.end("password") :]


def _given_by(
    service: compose.ComposeService, services: Sequence[compose.ComposeService]
) -> dict[str, Password]:
    """Return the passwords of the servers that a service calls, but for those of two of them."""
    found: dict[str, list[Password]] = {}
    for server in servers(service, services):
        for value, password in dict(_taken_by(server)).items():
            found.setdefault(value, []).append(password)
    return {value: held[0] for value, held in found.items() if len(held) == 1}


def _said(services: Sequence[compose.ComposeService]) -> Iterator[str]:
    """Yield what names services, users and databases: a password like one is no sign of it."""
    for service in services:
        yield service.name
        yield from re.split(r"[/:@]", service.image)
        for name, value in service.variables.items():
            if not is_secret(name, value):
                yield from (value, DEFAULT.sub(r"\2", value))


def _taken_by(service: compose.ComposeService) -> Iterator[tuple[str, Password]]:
    """Yield the passwords that a server is started with, each with its variable."""
    given = [(value, name) for name, value in service.variables.items() if is_secret(name, value)]
    prefix = software(service)
    given += [
        (node.text[start:end], f"{prefix}_PASSWORD") for node, start, end in passwords(service)
    ]
    for text, name in given:
        default = DEFAULT.fullmatch(text)
        variable = default[1] if default else name
        yield (
            default[2] if default else text,
            Password(service=service.name, variable=variable, is_chosen=default is not None),
        )


def _repeated(
    service: compose.ComposeService,
    text: str,
    given: Sequence[tuple[int, int]],
    names: RequiredNames,
    said: Container[str],
) -> str:
    """Return a command or health check with the passwords in it read from their variables."""
    prefix = software(service)
    for start, end in sorted(given, reverse=True):
        value = text[start:end]
        if "$" not in value:
            text = (
                text[:start]
                + reference(names.take(f"{prefix}_PASSWORD", service.name, value))
                + text[end:]
            )
        elif (default := DEFAULT.fullmatch(value)) is not None:
            text = text[:start] + _kept(default, names) + text[end:]
    for name, value in sorted(names.values.items(), key=lambda row: not row[0].startswith(prefix)):
        if len(value) >= _SHORTEST and value not in said:
            text = re.sub(rf"(?<![\w$/.-]){re.escape(value)}(?![\w/.-]|:\d)", reference(name), text)
    return DEFAULT.sub(
        lambda each: _kept(each, names) if each[1] in names.values else each[0], text
    )


def _kept(default: re.Match[str], names: RequiredNames) -> str:
    """Return the same variable without its default, unless that is blank: it is optional."""
    if not default[2]:
        return default[0]
    # The owner of the file chose this variable, and may set it already.
    names.values.setdefault(default[1], default[2])
    return reference(default[1])


def _spliced(content: bytes, node: Node, text: str) -> Splice:
    """Return the scalar as it was written: in its quotes, else plain where YAML allows it."""
    quote = content[node.start : node.start + 1].decode("latin-1")
    if quote in {"'", '"'}:
        text = quote + text + quote
    else:
        before = content[content.rfind(b"\n", 0, node.start) + 1 : node.start]
        text = f'"{text}"' if b"{" in before or b"[" in before else text
    return Splice(start=node.start, end=node.end, text=text)
