"""Find the passwords of compose files that a configuration file, mounted beside them, repeats.

Such a file is read as it is: a variable in the compose file alone would part the server from its
clients.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.gaps.external_secrets.broker_accounts import BrokerAccount, held_users
from closeout.gaps.external_secrets.inventory.names import is_secret
from closeout.gaps.external_secrets.required import literal
from closeout.model import Tree

_PASSWORD = rb"""(?ix)
    ://[^/\s@:"']*:(?P<url>[^/\s@"']+)@                       # of an address
  | pass(?:word|wd|phrase)?\w*["']?\s*[:=\s]\s*["']?(?P<set>[^\s"',;]+)  # a setting, or SQL's word
"""
_GIVEN = re.compile(_PASSWORD)
_SETTINGS = frozenset(
    {".toml", ".conf", ".ini", ".cnf", ".cfg", ".sql", ".properties", ".hcl", ".acl"}
)
"""What a server reads as it stands: a program, or a folder of sources, reads variables."""
_LARGEST = 1_000_000
"""Bytes; a mounted file beyond is data and no configuration."""


def repeated(
    tree: Tree, taken: Collection[BrokerAccount] = ()
) -> Mapping[PurePosixPath, Mapping[str, PurePosixPath]]:
    """Return the file that repeats it, by a compose file's folder and the password.

    A broker's accounts that are `taken` from its environment leave their file.
    """
    found: dict[PurePosixPath, dict[str, PurePosixPath]] = defaultdict(dict)
    for path in compose.files(tree):
        services = compose.services(path, tree.read(path) or b"")
        secrets = {
            literal(value)
            for service in services
            for _, name, value in service.assignments()
            if is_secret(name, value)
        }
        sources = {mount.source for service in services for mount in service.mounts}
        for file, password in _passwords(tree, sources - {None}) if secrets else ():
            if password in secrets:
                found[path.parent].setdefault(password, file)
        users = (row for service in services for row in held_users(tree, service, taken))
        for file, user in users if secrets else ():
            for password in secrets:
                if user.opens(password):
                    found[path.parent].setdefault(password, file)
    return found


def _passwords(
    tree: Tree, sources: AbstractSet[PurePosixPath | None]
) -> Iterator[tuple[PurePosixPath, str]]:
    """Yield each password that a mounted file, or one below a mounted folder, gives."""
    for path in tree.ending(_SETTINGS) if sources else ():
        if sources.isdisjoint((path, *path.parents)):
            continue
        content = tree.read(path) or b""
        if len(content) > _LARGEST or b"\0" in content:
            continue
        for match in _GIVEN.finditer(content):
            yield path, (match["url"] or match["set"]).decode("utf-8", "replace")
