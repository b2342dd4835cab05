"""Find the users of RabbitMQ's definitions whose passwords can be read: plain, or by their hash.

A hash alone tells nothing. One of a password that stands elsewhere in the tree keeps that password
in force, whatever the server's environment says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.fs.prefilter import question
from closeout.gaps.external_secrets.inventory.names import works
from closeout.model import Tree
from closeout.parsing.yaml import Node, YamlError, find

_ALGORITHMS = {
    "rabbit_password_hashing_sha256": "sha256",
    "rabbit_password_hashing_sha512": "sha512",
    "rabbit_password_hashing_md5": "md5",
}
_SALT = 4
_USUAL = ("guest",)
_PASSWORDS = tuple(
    re.compile(form)
    for form in (
        rb"[^\s\"'`:/@=,;{}()\[\]|<>?]+",  # a word, such as the password of an address
        rb"(?<=\")[^\"]+(?=\")",
        rb"(?<=')[^']+(?=')",
        rb"(?<=:-)[^}]+(?=\})",
        rb"(?<=[=:])[ \t]*[^\s#][^\r\n]*",
    )
)
"""What a line may hold as a password: the value of a variable, or a part of one."""


def _may_be_definitions(content: bytes) -> bool:
    held = b'"vhosts"' in content or b'"permissions"' in content
    return held and b'"users"' in content and b'"password' in content


def _is_named_so(path: PurePosixPath) -> bool:
    """Return whether the names on the way speak of it: most of a tree's JSON is large, and none."""
    return "definition" in path.name.lower() or "rabbit" in str(path).lower()


DEFINITIONS = question((".json",), _may_be_definitions, _is_named_so)
"""The files that may be definitions of a RabbitMQ server with users in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerUser:
    """One user of a definitions file."""

    name: str
    line: int
    index: int
    """Its place among the users."""
    plain: str
    digest: bytes
    """The hash that the file holds, its salt left out; empty where it holds none."""
    salt: bytes
    algorithm: str

    @property
    def told(self) -> str:
        """Return what the file calls its password, with the user."""
        return f"{'password' if self.plain else 'password_hash'} of {self.name}"

    def opens(self, password: str) -> bool:
        """Return whether a password is the user's."""
        if self.plain:
            return password == self.plain
        made = hashlib.new(
            self.algorithm, self.salt + password.encode("utf-8", "replace"), usedforsecurity=False
        )
        return bool(self.digest) and made.digest() == self.digest


@lru_cache(maxsize=64)
def broker_users(content: bytes) -> tuple[BrokerUser, ...]:
    """Return the users of a definitions file that have a password; none where it is another one."""
    try:
        held = json.loads(content)
        node = find(content, "users")
    except (ValueError, RecursionError, YamlError):
        return ()
    users = held.get("users") if isinstance(held, dict) else None
    if node is None or not isinstance(users, list) or len(users) != len(node.entries):
        return ()
    found = []
    for index, (user, entry) in enumerate(zip(users, node.entries, strict=True)):
        made = _user(user, index, entry.value)
        found += [made] if made is not None else []
    return tuple(found)


def known_users(
    tree: Tree, places: Iterable[tuple[PurePosixPath, int]]
) -> Iterator[tuple[PurePosixPath, BrokerUser]]:
    """Yield the users whose password the tree gives away; `places` are lines that hold secrets."""
    held = {path: broker_users(tree.read(path) or b"") for path in tree.candidates(DEFINITIONS)}
    words = _words(tree, places) if any(held.values()) else frozenset()
    for path, users in held.items():
        for user in users:
            tried = words if user.digest else ()
            if user.plain or any(user.opens(word) for word in (user.name, *_USUAL, *tried)):
                yield path, user


def _user(user: object, index: int, node: Node) -> BrokerUser | None:
    if not isinstance(user, dict) or not isinstance(user.get("name"), str):
        return None
    plain = user.get("password")
    usable = plain if isinstance(plain, str) and works("PASSWORD", plain) else ""
    algorithm = _ALGORITHMS.get(str(user.get("hashing_algorithm", next(iter(_ALGORITHMS)))), "")
    try:
        raw = base64.b64decode(str(user.get("password_hash") or ""), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not usable and not (algorithm and len(raw) == _SALT + hashlib.new(algorithm).digest_size):
        return None
    key = node.get("password" if usable else "password_hash")
    return BrokerUser(
        name=user["name"],
        line=key.line if key is not None else node.line,
        index=index,
        plain=usable,
        digest=b"" if usable else raw[_SALT:],
        salt=raw[:_SALT],
        algorithm=algorithm,
    )


def _words(tree: Tree, places: Iterable[tuple[PurePosixPath, int]]) -> frozenset[str]:
    """Return all that may be a password on the lines where secrets stand."""
    lines: dict[PurePosixPath, list[bytes]] = {}
    found: set[str] = set()
    for path, number in places:
        if path not in lines:
            lines[path] = (tree.read(path) or b"").splitlines()
        for line in lines[path][number - 1 : number]:
            found.update(
                match[0].decode("utf-8", "replace").strip("\"' \t")
                for form in _PASSWORDS
                for match in form.finditer(line)
            )
    return frozenset(found)
