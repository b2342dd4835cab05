"""Give what opens one account of one server one remote key, and different accounts different ones.

Otherwise each reader would get a random value of its own, and the server another.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from closeout.gaps.external_secrets.accounts import Account, Variable
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.inventory import SecretVariable
from closeout.gaps.external_secrets.logins import Login, logins
from closeout.gaps.external_secrets.manifest_logins import manifest_logins
from closeout.gaps.external_secrets.readers import as_variable
from closeout.gaps.external_secrets.stores import store_for
from closeout.gaps.external_secrets.target import own_key, remote_key
from closeout.model import Tree

_PLAIN = re.compile(r"[\w:/@.?=&%+,~-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """An address in the store that holds the password of another remote key."""

    key: str
    source: str
    head: str
    tail: str


def remote_keys(
    tree: Tree,
    state: Declared,
    named: Sequence[SecretVariable],
    variables: Iterable[SecretVariable],
) -> tuple[Mapping[Variable, str], tuple[Composed, ...]]:
    """Return the keys of the passwords of which the tree says what they open.

    The second value are the addresses that hold such a password. `named` are all secret variables,
    `variables` those that production has to bring.
    """
    brought = frozenset((item.service, item.name) for item in variables)
    found = logins(tree, named)
    # What only developers start takes no name from what production has.
    accounts = _accounts(item for item in found if not item.head and item.variable in brought)
    served = {item.account: item.variable for item in found if item.is_server}
    services = frozenset(service for service, _ in brought)
    for variable, account, is_server in tuple(manifest_logins(state, services, accounts, served)):
        accounts[variable] = account
        served |= {account: variable} if is_server else {}
    held: dict[Account, list[Variable]] = defaultdict(list)
    for variable, account in sorted(accounts.items()):
        held[account].append(variable)
    existing = _existing(state, [*accounts, *(item.variable for item in found if item.head)])
    keys = _apart(state.project, held, existing, frozenset(served.values()))
    near = {
        account: frozenset(state.namespace_of(each) for each, name in variables)
        for account, variables in held.items()
        if not brought.isdisjoint(variables)
    }
    composed = [
        Composed(
            key=existing.get(item.variable) or remote_key(state.project, *item.variable),
            source=keys[item.account],
            head=item.head,
            tail=item.tail,
        )
        for item in _addresses(found)
        # From another namespace the host would be another server, or none.
        if item.variable in brought
        and state.namespace_of(item.variable[0]) in near.get(item.account, ())
    ]
    shared = {variable: keys[account] for variable, account in accounts.items()}
    return shared, tuple(composed)


def _apart(
    project: str,
    held: Mapping[Account, Sequence[Variable]],
    existing: Mapping[Variable, str],
    served: Collection[Variable],
) -> dict[Account, str]:
    """Return the key of each account, none of which is another's unless its owner has it so."""
    keys = {
        account: _key(project, variables, served, existing) for account, variables in held.items()
    }
    times = Counter(keys.values())
    for account, variables in held.items():
        made = {existing.get(variable) for variable in variables}
        if times[keys[account]] > 1 and keys[account] not in made:
            keys[account] = own_key(project, *variables[0])
    return keys


def _accounts(found: Iterable[Login]) -> dict[Variable, Account]:
    """Return the one account of each variable."""
    made = {}
    for chosen in _chosen(found):
        if len(accounts := {item.account for item in chosen}) == 1:
            made[chosen[0].variable] = accounts.pop()
    return made


def _existing(state: Declared, accounts: Iterable[Variable]) -> dict[Variable, str]:
    """Return the remote keys that the tree's ExternalSecrets bring variables from already."""
    services = frozenset(service for service, _ in accounts)
    found: dict[Variable, set[str]] = defaultdict(set)
    for service, name in accounts:
        needs = state.needs_of(service)
        for item in state.secrets_of(service, services):
            identity = (item.target, item.namespace)
            keys = {
                need.key for need in needs if need.identity == identity and need.variable == name
            }
            for key, far in _rows(state, item):
                if key in keys or as_variable(key) == name:
                    found[service, name].add(far)
    return {variable: keys.pop() for variable, keys in found.items() if len(keys) == 1}


def _rows(state: Declared, item: Found) -> Iterator[tuple[str, str]]:
    store = store_for(state, item.namespace)
    reference = item.field("spec", "secretStoreRef")
    if store is None or not isinstance(reference, dict) or reference.get("name") != store.name:
        return
    rows = item.field("spec", "data")
    for row in rows if isinstance(rows, list) else ():
        remote = row.get("remoteRef") if isinstance(row, dict) else None
        if (
            isinstance(remote, dict)
            and remote.get("key")
            and remote.get("property") in {None, "value"}
        ):
            yield str(row.get("secretKey")), str(remote["key"])


def _key(
    project: str,
    held: Sequence[Variable],
    served: Collection[Variable],
    existing: Mapping[Variable, str],
) -> str:
    """Return the key of an account: its owner's, else the one of the server's own password."""
    first = [variable for variable in held if variable in served] or list(held)
    for variables in (first, held):
        made = {existing[variable] for variable in variables if variable in existing}
        if len(made) == 1:
            return made.pop()
    return min(remote_key(project, *variable) for variable in first)


def _addresses(found: Iterable[Login]) -> Iterator[Login]:
    """Yield the one address of each variable that can be written out whole."""
    for chosen in _chosen(item for item in found if item.head):
        told = {(item.account, item.head, item.tail) for item in chosen}
        if len(told) == 1 and _PLAIN.fullmatch(chosen[0].head + chosen[0].tail):
            yield chosen[0]


def _chosen(found: Iterable[Login]) -> Iterator[list[Login]]:
    """Yield the logins of each variable: what production starts goes first."""
    held: dict[Variable, list[Login]] = defaultdict(list)
    for item in found:
        held[item.variable].append(item)
    for _, items in sorted(held.items()):
        yield [item for item in items if not item.is_development] or items
