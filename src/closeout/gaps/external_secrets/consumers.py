"""Find the Secrets that workloads read and nothing provides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.inventory.names import is_secret

_PROVIDERS = frozenset({"Secret", "SealedSecret", "VaultStaticSecret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One key of a Secret that a workload reads."""

    secret: str
    namespace: str
    key: str
    reader: Found
    line: int


def unprovided(state: Declared) -> tuple[Need, ...]:
    """Return the keys that no ExternalSecret and no other object provides, each once.

    Only keys with a secret variable's name count: certificates have issuers of their own.
    """
    given = {
        (item.target, item.namespace, key) for item in state.secrets for key, _ in item.entries()
    }
    whole = {
        (item.name, item.namespace) for item in state.others if item.document.kind in _PROVIDERS
    }
    whole |= {
        (item.target, item.namespace) for item in state.secrets if item.field("spec", "dataFrom")
    }
    found: dict[tuple[str, str, str], Need] = {}
    for reader in state.others:
        for need in _needs(reader) if reader.namespace else ():
            identity = (need.secret, need.namespace, need.key)
            if identity not in given and identity[:2] not in whole and is_secret(need.key):
                found.setdefault(identity, need)
    return tuple(found[identity] for identity in sorted(found))


def _needs(reader: Found) -> Iterator[Need]:
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), reader.document.value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            continue
        waiting += [((*path, str(key)), item) for key, item in value.items()]
        for secret, key in _read_here(value):
            yield Need(
                secret=secret,
                namespace=reader.namespace,
                key=key,
                reader=reader,
                line=reader.document.line_of(path),
            )


def _read_here(value: dict[object, object]) -> Iterator[tuple[str, str]]:
    reference = value.get("secretKeyRef")
    if isinstance(reference, dict):
        yield str(reference.get("name")), str(reference.get("key"))
    items = value.get("items")
    if value.get("secretName") and isinstance(items, list):
        for item in items:
            if isinstance(item, dict):
                yield str(value["secretName"]), str(item.get("key"))
