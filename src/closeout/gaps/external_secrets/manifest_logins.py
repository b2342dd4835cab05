"""Read from the cluster's manifests which password opens which account of which server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from closeout.gaps.external_secrets.accounts import (
    Account,
    Variable,
    is_password,
    said_beside,
    usual_role,
)
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.handover import written_in
from closeout.gaps.external_secrets.inventory.commands import is_server
from closeout.gaps.external_secrets.readers import Need, as_variable, mappings, variables_of
from closeout.gaps.external_secrets.wanted import held_by, plain


def manifest_logins(
    state: Declared,
    services: frozenset[str],
    known: Mapping[Variable, Account],
    served: Mapping[Account, Variable],
) -> Iterator[tuple[Variable, Account, bool]]:
    """Yield the accounts that workloads of the cluster say, where they say another or the only.

    `known` are the accounts that something else says, `served` those of servers. The last value is
    whether the workload is the server itself.
    """
    documents = {(item.path, item.name): item for item in state.others}
    held = plain(state)
    for need in state.needs:
        item = documents.get((need.path, need.reader))
        name = need.variable or as_variable(need.key)
        if item is None or not need.key or not is_password(name):
            continue
        host, role = said_beside(name, _values(item, need, held))
        variable = held_by(state, need, services)
        account = known.get(variable)
        if host:
            found = Account.of(need.namespace, host, role)
            if account is None or not _is_same(state, account, found, host, served):
                yield variable, found, False
        elif account is not None and role not in {"", account.role}:
            yield variable, Account.of(account.place, account.host, role), False
        elif account is None and _is_server(item):
            role = role or usual_role(name)
            yield variable, Account.of(need.namespace, _host(state, item, need), role), True


def _is_server(item: Found) -> bool:
    images = (each.get("image") for each in mappings(item.document.value))
    return any(isinstance(image, str) and is_server(image) for image in images)


def _is_same(
    state: Declared,
    account: Account,
    found: Account,
    host: str,
    served: Mapping[Account, Variable],
) -> bool:
    """Return whether a manifest says the account that compose files do: hosts have other places."""
    if found.role not in {"", account.role} or found.host != account.host:
        return False
    server = served.get(account)
    far = "." in host and server is not None
    return not far or server is None or found.place in {"", state.namespace_of(server[0])}


def _values(item: Found, need: Need, held: Mapping[tuple[str, str], Found]) -> Mapping[str, str]:
    """Return what the variables of a workload hold, written out or in a Secret that is."""
    values = {}
    for name, value in variables_of(item.document.value):
        if isinstance(value, str):
            values[name] = value
            continue
        secret = held.get((value[0], need.namespace))
        text = (written_in(secret) or {}).get(value[1]) if secret is not None else None
        if text is not None:
            values[name] = text
    return values


def _host(state: Declared, item: Found, need: Need) -> str:
    """Return the name of the Service in front of a workload, else the workload's."""
    labels: Any = item.field("spec", "template", "metadata", "labels")
    for each in state.others:
        asked = each.field("spec", "selector") if each.document.kind == "Service" else None
        if isinstance(asked, dict) and asked and isinstance(labels, dict):
            is_near = each.namespace in {"", need.namespace}
            if is_near and asked.items() <= labels.items():
                return each.name
    return item.name
