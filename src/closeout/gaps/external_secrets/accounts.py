"""Tell who signs in where: the role and server of each password, by what stands beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from closeout.formats.interpolation import REFERENCE

_PASSWORD = re.compile(r"(?P<stem>\w*?)_?(?P<word>PASSWORD|PASSWD|PASS|PWD)")
_ACCESS = re.compile(r"(?P<stem>\w*?)_?(?P<word>SECRET_ACCESS_KEY|SECRET_KEY)")
_PART = rf"(?:{REFERENCE}|[^/\s@:$]|\$(?!\{{))*"
ADDRESS = re.compile(
    rf"(?P<head>(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<role>{_PART}):)"
    rf"(?P<password>(?:{REFERENCE}|[^/\s@])+)(?P<tail>@(?P<host>[\w.-]*)\S*)",
    re.IGNORECASE,
)
"""An address with a password in it."""
_USERS = ("USER", "USERNAME", "LOGIN")
_HOSTS = ("HOST", "HOSTNAME", "SERVER", "ENDPOINT", "ADDR")
_OF_ACCESS = {"SECRET_ACCESS_KEY": ("ACCESS_KEY_ID",), "SECRET_KEY": ("ACCESS_KEY",)}
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?P<host>[A-Za-z0-9][\w.-]*)(?::\S*)?/?")
_NEAR = re.compile(r"(?P<host>[\w-]+)(?:\.(?P<place>[\w-]+)(?:\.svc(?:\.[\w.-]+)?)?)?")
"""A name, and the namespace of the cluster in which it is one."""
_HERE = frozenset({"localhost", "127.0.0.1"})
_USUAL = {"POSTGRES": "postgres", "MYSQL_ROOT": "root", "MARIADB_ROOT": "root"}

Variable = tuple[str, str]
"""A service and a variable of it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Account:
    """A role on a server, whose host is known by that name in one place."""

    place: str
    """The folder of the compose files, or a namespace."""
    host: str
    role: str

    @classmethod
    def of(cls, place: str, host: str, role: str) -> Account:
        """Return a role on a host: one with a domain is the same from every place."""
        near = _NEAR.fullmatch(host)
        if near is not None:
            return cls(place=near["place"] or place, host=near["host"], role=role)
        return cls(place="", host=host, role=role)


def names_beside(variable: str) -> frozenset[str]:
    """Return the variables that would say where and as whom the password `variable` signs in."""
    users, hosts = _beside(variable)
    return frozenset((*users, *hosts))


def said_beside(variable: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Return on which host and as whom a password signs in; empty is what nobody says.

    `values` are those of the variables beside it.
    """
    users, hosts = _beside(variable)
    host = _HOST.fullmatch(_first(hosts, values))
    named = host["host"] if host is not None and host["host"] not in _HERE else ""
    return named, _first(users, values)


def is_password(variable: str) -> bool:
    """Return whether a variable is a password by itself, not an address with one in it."""
    return any(form.fullmatch(variable) for form in (_PASSWORD, _ACCESS))


def usual_role(variable: str) -> str:
    """Return the role of a server's own password where nothing beside it says another."""
    found = _PASSWORD.fullmatch(variable)
    return _USUAL.get(found["stem"], "") if found is not None else ""


def _first(names: Iterable[str], values: Mapping[str, str]) -> str:
    return next((values[name].strip() for name in names if values.get(name, "").strip()), "")


def _beside(variable: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a password's user and host."""
    found = _PASSWORD.fullmatch(variable)
    users: tuple[str, ...] = _USERS
    if found is None:
        found = _ACCESS.fullmatch(variable)
        if found is None:
            return (), ()
        users = _OF_ACCESS[found["word"]]
    stem = found["stem"]
    if not stem:
        return users, _HOSTS
    joined = stem if stem == "PG" else f"{stem}_"
    return tuple(joined + word for word in users), tuple(joined + word for word in _HOSTS)
