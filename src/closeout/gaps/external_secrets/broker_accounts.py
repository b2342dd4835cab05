"""Tell which RabbitMQ servers can take an account from their environment, and why others cannot.

A server that loads definitions makes no default user: RABBITMQ_DEFAULT_PASS says nothing there.
Where a user of them has a known password and cannot leave them safely, compose files keep it too:
the server and its clients go on with one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.interpolation import unset
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.gaps.external_secrets.inventory.broker_users import (
    DEFINITIONS,
    BrokerUser,
    broker_users,
)
from closeout.gaps.external_secrets.inventory.literals import is_image
from closeout.gaps.external_secrets.required import literal
from closeout.model import Tree
from closeout.parsing.yaml import NodeKind

NAME, _PASSWORD = "RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"
SCRIPT = "rabbitmq-account.sh"
_IMAGE = re.compile(
    r"(?:docker\.io/)?(?:library/)?rabbitmq(?::(?![0-2]\.|3\.[0-7]\b)[\w.-]+)?(?:@sha256:\w+)?"
)
"""The official image, whose entry point the script goes on with."""
LOADED = re.compile(
    rb"^[ \t]*(?:management\.)?load_definitions[ \t]*=[ \t]*(?P<path>\S+)", re.MULTILINE
)
_IS_BROKER = re.compile(rb"^FROM[ \t]+\S*rabbitmq\b", re.MULTILINE | re.IGNORECASE)
_SAFE = re.compile(r"[A-Za-z0-9._@-]+")


def _may_bring(content: bytes) -> bool:
    return holds_in_any_case(content, (b"rabbit",))


_BRINGING = (
    question(
        (".yml", ".yaml"),
        lambda content: b".json" in content and _may_bring(content),
        lambda path: not compose.may_be_compose(path),
    ),
    question((), _may_bring, is_image),
    question((".sh", ".bash", ".ps1"), lambda content: b"docker run" in content),
)
"""What may put definitions into a container beside compose: a manifest, an image, a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """A user of definitions that its server is started with by compose."""

    definitions: PurePosixPath
    user: BrokerUser
    servers: tuple[compose.ComposeService, ...]
    settings: PurePosixPath
    """The server's configuration, which names the definitions."""
    target: PurePosixPath
    """Where the server has the definitions."""

    @property
    def script(self) -> PurePosixPath:
        """Return where the script stands that starts the server."""
        return self.definitions.parent / SCRIPT


def broker_accounts(
    tree: Tree, known: AbstractSet[tuple[PurePosixPath, int]]
) -> tuple[list[BrokerAccount], Mapping[tuple[PurePosixPath, int], str]]:
    """Return which users can be taken from the environment, and why the rest cannot.

    `known` are the files and lines of the users in question.
    """
    taken: list[BrokerAccount] = []
    kept: dict[tuple[PurePosixPath, int], str] = {}
    for path in tree.candidates(DEFINITIONS) if known else ():
        for user in broker_users(tree.read(path) or b""):
            if (path, user.line) not in known:
                continue
            made = _account(tree, path, user)
            if isinstance(made, str):
                kept[path, user.line] = made
            elif any(item.definitions == path for item in taken):
                kept[path, user.line] = "another user of the file is the server's own account"
            else:
                taken.append(made)
    return taken, kept


def _account(tree: Tree, path: PurePosixPath, user: BrokerUser) -> BrokerAccount | str:
    """Return the account of a user, or why its server cannot take it from the environment."""
    services = tuple(compose.all_services(tree))
    servers = tuple(item for item in services if _mount(item, path) is not None)
    targets = {mount.target for item in servers if (mount := _mount(item, path)) is not None}
    loading = {found for item in servers for found in _loading(tree, item, targets)}
    reason = next(_hindrances(tree, path, user, servers, services), "")
    if not reason and (len(targets) != 1 or len(loading) != 1):
        reason = "no one configuration mounted beside it says that it is loaded"
    if reason:
        return reason
    settings = loading.pop()
    for item in services:
        has_both = item in servers and _mount(item, settings) is not None
        brings = any(
            each.source in {path, *path.parents, settings, *settings.parents}
            for each in item.mounts
            if each.source
        )
        if brings != has_both or (item in servers and not has_both):
            return f"{item.name} in {item.path} mounts only one of it and {settings}"
    return BrokerAccount(
        definitions=path, user=user, servers=servers, settings=settings, target=targets.pop()
    )


def _hindrances(
    tree: Tree,
    path: PurePosixPath,
    user: BrokerUser,
    servers: Collection[compose.ComposeService],
    services: Collection[compose.ComposeService],
) -> Iterator[str]:
    if not servers:
        yield "no compose file mounts it into a server"
    for other in (each for asked in _BRINGING for each in tree.candidates(asked)):
        text = tree.read(other) or b""
        is_whole = is_image(other) and other.parent in path.parents and _IS_BROKER.search(text)
        if path.name.encode() in text or is_whole:
            yield f"{other} may bring it into a container too"
    for server in servers:
        if reason := _unfit(server, user, services):
            yield f"{server.name} in {server.path} {reason}"
    if tree.read(path.parent / SCRIPT) is not None:
        yield f"another {SCRIPT} stands beside it"


def _unfit(
    server: compose.ComposeService,
    user: BrokerUser,
    services: Collection[compose.ComposeService],
) -> str:
    password = server.variables.get(_PASSWORD, "")
    beside = [
        item
        for item in services
        if item.name == server.name and item.path.parent == server.path.parent
    ]
    volumes = server.node.get("volumes")
    if not _IMAGE.fullmatch(unset(server.image)) or server.context:
        return "is not the official image of a version since 3.8"
    if any(item.node.get(key) for item in beside for key in ("command", "entrypoint", "user")):
        return "is started in a way of its own"
    if not ("$" in unset(password) or user.opens(literal(password))):
        return f"has another {_PASSWORD} or none"
    name = unset(server.variables.get(NAME, ""))
    if not ("$" in name or name == user.name) or not _SAFE.fullmatch(user.name):
        return f"has another {NAME} or none"
    is_own = volumes is not None and not volumes.alias and volumes.kind is NodeKind.SEQUENCE
    return "" if is_own else "has its mounts written elsewhere"


def _mount(service: compose.ComposeService, path: PurePosixPath) -> compose.ComposeMount | None:
    return next((item for item in service.mounts if item.source == path), None)


def _loading(
    tree: Tree, server: compose.ComposeService, targets: Collection[PurePosixPath]
) -> Iterator[PurePosixPath]:
    """Yield the configurations of a server that name the definitions."""
    for mount in server.mounts:
        if mount.source is None or mount.source.suffix != ".conf":
            continue
        content = tree.read(mount.source) or b""
        named = [match["path"].decode() for match in LOADED.finditer(content)]
        if len(named) == 1 and PurePosixPath(named[0]) in targets:
            yield mount.source


def held_users(
    tree: Tree, service: compose.ComposeService, taken: Collection[BrokerAccount]
) -> Iterator[tuple[PurePosixPath, BrokerUser]]:
    """Yield the users of definitions in a service's container whose passwords stay as they are."""
    going = {(item.definitions, item.user.index) for item in taken}
    for path in tree.candidates(DEFINITIONS):
        sources = {item.source for item in service.mounts} | {service.build}
        if not sources.isdisjoint((path, *path.parents)):
            for user in broker_users(tree.read(path) or b""):
                if (path, user.index) not in going:
                    yield path, user
