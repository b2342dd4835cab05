"""Tell the servers of a compose file by what their clients give away of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from closeout.formats import compose
from closeout.formats.interpolation import unset

_HOST = re.compile(r"(?:^|,|//(?:[^/@]{0,200}@)?)([\w.-]+)")
"""A host in an address, in a list of such, or by itself."""
_ACCOUNT = re.compile(r"(?:\w+_)?USER(?:NAME)?")
_NO_HOST = re.compile(r"(?:\w+_)?(?:USER|USERNAME|LOGIN|DB|DBNAME|DATABASE|SCHEMA|NAME)")
"""What names an account or a database, which often has the name of who uses it."""
_ACCESS_KEY = re.compile(r"(?P<stem>\w+?_|)ACCESS_KEY(?:_ID)?")
_ITS_SECRETS = ("SECRET_KEY", "SECRET_ACCESS_KEY", "SECRET")


def servers(
    service: compose.ComposeService, services: Sequence[compose.ComposeService]
) -> Iterator[compose.ComposeService]:
    """Yield the ready-made images that a service of the file calls by their name.

    Of two that call each other it is not known which one serves.
    """
    names = _called(service)
    for other in services:
        is_named = other.name in names and other is not service
        if is_named and not other.context and service.name not in _called(other):
            yield other


def _called(service: compose.ComposeService) -> set[str]:
    waited = service.node.get("depends_on")
    names = set(waited.scalars() if waited is not None else ())
    names |= {str(item.key) for item in waited.entries} if waited is not None else set()
    for name, text in service.variables.items():
        if not _NO_HOST.fullmatch(name):
            names.update(_HOST.findall(unset(text)))
    return names


def is_account(
    name: str,
    value: str,
    service: compose.ComposeService,
    services: Sequence[compose.ComposeService],
) -> bool:
    """Return whether an access key is the account of a server: its secret stands beside it."""
    key = _ACCESS_KEY.fullmatch(name)
    if key is None or not any(f"{key['stem']}{tail}" in service.variables for tail in _ITS_SECRETS):
        return False
    return any(
        _ACCOUNT.fullmatch(other) and unset(text) == unset(value)
        for each in servers(service, services)
        for other, text in each.variables.items()
    )
