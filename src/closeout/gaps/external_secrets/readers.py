"""Find what workloads read of Secrets: the names, keys and namespaces that have to be there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from closeout.gaps.external_secrets.inventory.names import is_secret

_PLAIN = re.compile(r"^(?:cloud|edge)-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One key of a Secret that a workload reads; an empty key is all of it.

    Who reads it and where is left out by what reads a value, wherever that stands.
    """

    secret: str
    namespace: str = ""
    key: str
    variable: str
    """The variable that gets the value; empty for a file."""
    reader: str = ""
    """The workload's or chart's name."""
    path: PurePosixPath = field(default_factory=PurePosixPath)
    line: int = 0
    is_optional: bool = False
    is_open: bool = False
    """Whether the chart's list takes further variables: the pods get each that it names."""
    role: str = ""
    """Whose password it is, where nobody else of the tree signs in with that role."""

    @property
    def identity(self) -> tuple[str, str]:
        """Return the Secret's name and namespace."""
        return self.secret, self.namespace

    @property
    def is_secret(self) -> bool:
        """Return whether it is a secret by its name: a certificate has an issuer of its own."""
        if not self.variable:
            return is_secret(self.key)
        return not self.key or is_secret(self.variable) or is_secret(as_variable(self.key))


def as_variable(key: str) -> str:
    """Return a key as a variable's name: database-url and DATABASE_URL alike."""
    return re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_").upper()


def is_same(reader: str, service: str, project: str) -> bool:
    """Return whether a workload is a service, whatever layer or project their names start with."""
    return stem(reader, project) == stem(service, project)


@lru_cache(maxsize=4096)
def stem(name: str, project: str) -> str:
    """Return what workloads and services of one name share."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removeprefix(f"{project}-")
    return _PLAIN.sub("", plain)


Steps = tuple[str | int, ...]
"""What leads to a value in a document."""


def reads(value: object) -> Iterator[tuple[Steps, Need]]:
    """Yield every key and every whole Secret that a manifest or a chart's values read."""
    waiting: list[tuple[Steps, object, str]] = [((), value, "")]
    while waiting:
        path, item, variable = waiting.pop()
        if isinstance(item, list):
            waiting += [((*path, index), each, variable) for index, each in enumerate(item)]
        if not isinstance(item, dict):
            continue
        named = str(item["name"]) if "valueFrom" in item and "name" in item else variable
        waiting += [
            ((*path, str(key)), each, _named(str(key), named)) for key, each in item.items()
        ]
        yield from ((path, need) for need in _read_here(item, named))


def variables_of(value: object) -> Iterator[tuple[str, str | tuple[str, str]]]:
    """Yield each variable that a manifest sets: its text, or the Secret and key it is taken of."""
    for item in mappings(value):
        if not isinstance(name := item.get("name"), str):
            continue
        if isinstance(text := item.get("value"), str):
            yield name, text
        given = item.get("valueFrom")
        reference = given.get("secretKeyRef") if isinstance(given, dict) else None
        if isinstance(reference, dict):
            yield name, (str(reference.get("name")), str(reference.get("key")))


def mappings(value: object) -> Iterator[Mapping[Any, Any]]:
    """Yield every mapping of a manifest, itself first."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
            yield item


def _named(key: str, variable: str) -> str:
    """Return the variable below `key`, which may be one itself, in a mapping of variables."""
    return key if re.fullmatch(r"[A-Z][A-Z0-9_]+", key) else variable


def _read_here(item: Mapping[Any, Any], variable: str) -> Iterator[Need]:
    reference = item.get("secretKeyRef")
    if isinstance(reference, dict):
        yield Need(
            secret=str(reference.get("name")),
            key=str(reference.get("key")),
            variable=variable or str(reference.get("key")),
            is_optional=reference.get("optional") is True,
        )
    whole = item.get("secretRef")
    if isinstance(whole, dict) and whole.get("name"):
        is_optional = whole.get("optional") is True
        yield Need(secret=str(whole["name"]), key="", variable="*", is_optional=is_optional)
    secret, key = item.get("secret"), item.get("key")
    if variable and isinstance(secret, str) and isinstance(key, str):
        yield Need(secret=secret, key=key, variable=variable, is_open=True)
    files = item.get("items")
    if item.get("secretName") and isinstance(files, list):
        for each in files:
            if isinstance(each, dict):
                yield Need(secret=str(item["secretName"]), key=str(each.get("key")), variable="")
