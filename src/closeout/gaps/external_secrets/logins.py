"""Read from compose files, examples and code which password opens which account of which server."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.interpolation import unset
from closeout.gaps.external_secrets.accounts import (
    ADDRESS,
    Account,
    Variable,
    is_password,
    names_beside,
    said_beside,
    usual_role,
)
from closeout.gaps.external_secrets.inventory import SecretVariable, services
from closeout.gaps.external_secrets.inventory.commands import (
    is_for_development,
    is_tool,
    passwords,
    software,
)
from closeout.gaps.external_secrets.inventory.declared import owner
from closeout.gaps.external_secrets.inventory.names import is_secret
from closeout.gaps.external_secrets.inventory.servers import servers
from closeout.model import Tree

_REFERS = re.compile(r"\$\{?(?P<name>\w+)(?:\W.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A variable that opens an account of a server."""

    variable: Variable
    account: Account
    is_server: bool = False
    """Whether the server itself is started with it."""
    is_development: bool = False
    head: str = ""
    """What an address has before its password, empty for a password by itself."""
    tail: str = ""


def logins(tree: Tree, named: Sequence[SecretVariable]) -> tuple[Login, ...]:
    """Return who signs in where, by all that the tree's compose files start."""
    known = services(tree)
    by_folder: dict[PurePosixPath, list[compose.ComposeService]] = defaultdict(list)
    for service in compose.all_services(tree):
        by_folder[service.path.parent].append(service)
    secrets: dict[str, list[SecretVariable]] = defaultdict(list)
    for item in named:
        secrets[item.service].append(item)
    found: dict[Login, None] = {}
    for folder, started in sorted(by_folder.items()):
        reader = _Folder(tree=tree, place=str(folder), services=started, known=known)
        for service in started:
            found |= dict.fromkeys(reader.of(service, secrets[owner(service, known)]))
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """The compose files of a folder, which join in one network and read one `.env`."""

    tree: Tree
    place: str
    services: Sequence[compose.ComposeService]
    known: frozenset[str]

    def of(
        self, service: compose.ComposeService, named: Sequence[SecretVariable]
    ) -> Iterator[Login]:
        """Yield the logins of one service: those it is given, and those its code asks for."""
        called = owner(service, self.known)
        own = {name: role for name, role, _ in _taken_by(service)}
        only = is_tool(service) or is_for_development(service.path)
        for name, value in service.variables.items():
            address = ADDRESS.fullmatch(value) if is_secret(name, value) else None
            if address is not None and address["host"]:
                yield Login(
                    variable=(called, name),
                    account=Account.of(
                        self.place, self._known_as(address["host"]), unset(address["role"])
                    ),
                    is_development=only,
                    head=unset(address["head"]),
                    tail=unset(address["tail"]),
                )
        asked = {item.name: [place.path for place in item.places] for item in named}
        asked |= {name: asked.get(name, []) for name in service.variables if is_secret(name)}
        for name, paths in asked.items():
            if is_password(name) and (account := self._account(service, name, paths)) is not None:
                yield Login(variable=(called, name), account=account, is_development=only)
                own.pop(name, None)
        for name, role in own.items():
            account = Account.of(self.place, service.name, role)
            yield Login(
                variable=(called, name), account=account, is_server=True, is_development=only
            )

    def _account(
        self, service: compose.ComposeService, name: str, paths: Collection[PurePosixPath]
    ) -> Account | None:
        values = {**_written(self.tree, paths, names_beside(name)), **service.variables}
        told_host, told_role = said_beside(
            name, {key: unset(value) for key, value in values.items()}
        )
        source = _source(service.variables.get(name, ""))
        host = self._known_as(told_host)
        if host:
            reached = [item for item in self.services if item.name == host]
        else:
            reached = list(servers(service, self.services))
        opened = [(item.name, *each[1:]) for item in reached for each in _taken_by(item)]
        fitting = {
            (server, role)
            for server, role, taken in opened
            if told_role in {"", role}
            and (not role or taken == source or (told_role and host))
            and (host or taken == source)
        }
        if len(fitting) == 1:
            server, role = next(iter(fitting))
            return Account.of(self.place, server, role)
        is_told = host and (told_role or not opened)
        return Account.of(self.place, host, told_role) if is_told else None

    def _known_as(self, host: str) -> str:
        """Return the name of the service that answers to a host, else the host."""
        for item in self.services:
            if host in {item.name, item.node.said("container_name"), item.node.said("hostname")}:
                return item.name if host else ""
        return host


def _taken_by(service: compose.ComposeService) -> Iterator[tuple[str, str, str]]:
    """Yield variable, role and source of each password that a ready-made server starts with."""
    if service.context or not service.image:
        return
    given = []
    for name, value in service.variables.items():
        host, role = said_beside(name, service.variables)
        if is_password(name) and is_secret(name, value) and not host:
            given.append((name, unset(role) or usual_role(name), value))
    if not given:
        given = [
            (f"{software(service)}_PASSWORD", "", node.text[start:end])
            for node, start, end in passwords(service)
        ][:1]
    yield from ((name, role, _source(value)) for name, role, value in given)


def _source(value: str) -> str:
    """Return the variable that a value comes from, else the value."""
    found = _REFERS.fullmatch(value)
    return f"${found['name']}" if found is not None else value


def _written(
    tree: Tree, paths: Collection[PurePosixPath], names: Collection[str]
) -> Mapping[str, str]:
    """Return what code and examples say that variables are while nobody sets them."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(set(paths)):
        if compose.may_be_compose(path):
            continue
        content = (tree.read(path) or b"").decode("utf-8", "replace")
        for name in names:
            if name in content:
                found[name].update(match["value"] for match in _default(name).finditer(content))
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def _default(name: str) -> re.Pattern[str]:
    """Return what finds the default of a variable: a call's, an operator's, an example's line."""
    return re.compile(
        rf"(?:[\"']{name}[\"']\s*,\s*[\"']|\b{name}[\"'\])]*\s*(?:\|\||\?\?)\s*[\"'`]"
        rf"|^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*[\"']?)(?P<value>\w[\w.-]*)",
        re.MULTILINE,
    )
