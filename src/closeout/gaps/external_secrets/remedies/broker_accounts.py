"""Have RabbitMQ take an account from its environment that its definitions brought.

The user leaves the definitions, and a script that compose starts adds it to a private copy of them,
with the hash of what the environment says.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.broker_accounts import LOADED, NAME, SCRIPT, BrokerAccount
from closeout.gaps.external_secrets.inventory.broker_users import BrokerUser
from closeout.model import Tree
from closeout.parsing.yaml import Node, append, find
from closeout.resources import render

_FOLDER = "/var/lib/rabbitmq/definitions"
_HELD_IN = ("users", "permissions", "topic_permissions")
_OWN = frozenset({"password", "password_hash", "hashing_algorithm"})


def from_environment(
    tree: Tree, taken: Collection[BrokerAccount], texts: Mapping[PurePosixPath, bytes]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the files that let servers take their accounts from the environment.

    `texts` holds files as the same changesets leave them otherwise.
    """
    made = dict(texts)
    for account in taken:
        content = tree.read(account.definitions) or b""
        values = {
            "folder": _FOLDER,
            "definitions": account.target,
            "account": _shown(json.loads(content), account.user),
        }
        made[account.script] = render(f"external-secrets/{SCRIPT}.j2", values)
        made[account.definitions] = splice(content, _leaving(content, account.user.name))
        settings = made.get(account.settings, tree.read(account.settings) or b"")
        match = LOADED.search(settings)
        if match is not None:
            start, end = match.span("path")
            made[account.settings] = settings[:start] + _FOLDER.encode() + settings[end:]
        for path in {item.path for item in account.servers}:
            names = {item.name for item in account.servers if item.path == path}
            text = made.get(path, tree.read(path) or b"")
            made[path] = splice(text, _started(path, text, names, account))
    yield from ((path, text) for path, text in made.items() if texts.get(path) != text)


def _started(
    path: PurePosixPath, content: bytes, names: Collection[str], account: BrokerAccount
) -> Iterator[Splice]:
    """Yield the splices that have the servers of a compose file started by the script."""
    source = posixpath.relpath(account.script, path.parent)
    source = source if source.startswith("../") else f"./{source}"
    target = account.target.parent / SCRIPT
    for service in compose.services(path, content):
        volumes = service.node.get("volumes") if service.name in names else None
        if volumes is None:
            continue
        mount = f"{source}:{target}:ro"
        text = f'"{mount}"' if volumes.flow else f"- {mount}"
        yield append(content, volumes).splice(text)
        yield append(content, service.node).splice(f'command: ["bash", "{target}"]')


def _leaving(content: bytes, name: str) -> Iterator[Splice]:
    """Yield the splices that take a user and what it may do out of definitions."""
    held = json.loads(content)
    for key in _HELD_IN:
        node = find(content, key)
        rows = held.get(key)
        if node is None or not isinstance(rows, list):
            continue
        called = "name" if key == "users" else "user"
        kept = [at for at, row in enumerate(rows) if not _is_of(row, called, name)]
        if len(kept) < len(rows):
            text = _with_only(content, node, kept)
            yield Splice(start=node.start, end=node.end, text=text)


def _is_of(row: object, key: str, name: str) -> bool:
    return isinstance(row, dict) and row.get(key) == name


def _with_only(content: bytes, node: Node, kept: Collection[int]) -> str:
    """Return a list with only some of its items, in the manner that it is written."""
    if not kept:
        return "[]"
    items = [entry.value for entry in node.entries]
    between = content[items[0].end : items[1].start]
    middle = between.join(content[items[at].start : items[at].end] for at in kept)
    text = content[node.start : items[0].start] + middle + content[items[-1].end : node.end]
    return text.decode().replace("\r\n", "\n")


def _shown(held: Mapping[str, list[dict[str, object]]], user: BrokerUser) -> str:
    """Return the definitions of the account alone, as a here-document of the script has them."""
    entry = {key: value for key, value in held["users"][user.index].items() if key not in _OWN}
    entry |= {
        "name": "__NAME__",
        "password_hash": "__HASH__",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
    }
    account: dict[str, list[dict[str, object]]] = {"users": [entry]}
    for key in _HELD_IN[1:]:
        rows = [row for row in held.get(key) or () if _is_of(row, "user", user.name)]
        if rows:
            account[key] = [{**row, "user": "__NAME__"} for row in rows]
    text = re.sub(r"[\\$`]", r"\\\g<0>", json.dumps(account, indent=2))
    return text.replace("__NAME__", f"${NAME}").replace("__HASH__", "$hash")
