"""Work out which keys of which Secrets have to be made, starting from who reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.inventory import SecretVariable
from closeout.gaps.external_secrets.readers import Need, as_variable
from closeout.gaps.external_secrets.roles import own_variable
from closeout.gaps.external_secrets.target import secret_name

Identity = tuple[str, str]
"""A Secret's name and namespace."""

_PROVIDERS = frozenset({"Secret", "SealedSecret", "VaultStaticSecret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSecret:
    """What a Secret has to hold that nothing brings yet."""

    service: str
    entries: dict[str, str] = field(default_factory=dict)
    """The variable whose value each key holds."""


def provides(state: Declared) -> frozenset[tuple[str, str, str]]:
    """Return name, namespace and key of everything that an ExternalSecret brings."""
    return frozenset(
        (item.target, item.namespace, key) for item in state.secrets for key, _ in item.entries()
    )


def plain(state: Declared) -> Mapping[Identity, Found]:
    """Return the Secrets that a manifest writes out or seals, whose keys are its owner's matter."""
    return {
        (item.name, item.namespace): item
        for item in state.others
        if item.document.kind in _PROVIDERS
    }


def unprovided(state: Declared, variables: Iterable[SecretVariable]) -> tuple[Need, ...]:
    """Return the keys that no ExternalSecret and no other object provides, each once."""
    named = {item.name for item in variables}
    given = provides(state)
    made = {(item.target, item.namespace) for item in state.secrets}
    whole = {
        (item.target, item.namespace) for item in state.secrets if item.field("spec", "dataFrom")
    }
    whole |= plain(state).keys()
    found: dict[tuple[str, str, str], Need] = {}
    for need in state.needs:
        place = (*need.identity, need.key)
        known = need.identity in made if not need.key else place in given
        told = need.is_secret or need.variable in named
        if told and not (known or need.identity in whole or need.is_optional):
            found.setdefault(place, need)
    return tuple(found[place] for place in sorted(found))


def missing_entries(
    state: Declared, variables: Iterable[SecretVariable]
) -> tuple[SecretVariable, ...]:
    """Return the variables that no ExternalSecret of their service provides.

    A service whose ExternalSecret takes a whole remote document is left out: what it provides
    cannot be read from the manifest.
    """
    known = tuple(variables)
    services = frozenset(item.service for item in known)
    given = provides(state)
    sealed = {identity for identity, item in plain(state).items() if item.document.kind != "Secret"}
    missing = []
    for item in known:
        own = state.secrets_of(item.service, services)
        if any(each.field("spec", "dataFrom") for each in own):
            continue
        brought = {as_variable(key) for each in own for key, _ in each.entries()}
        read = any(
            need.variable == item.name
            and (need.is_optional or (*need.identity, need.key) in given or need.identity in sealed)
            for need in state.needs_of(item.service)
        )
        settled = read or as_variable(item.name) in brought or _is_closed(state, item)
        if not settled:
            missing.append(item)
    return tuple(missing)


def _is_closed(state: Declared, item: SecretVariable) -> bool:
    """Return whether the service's Secret is read key by key, and not for this variable.

    A key that is not in the store keeps the operator from bringing the others.
    """
    needs = [
        need
        for need in state.needs_of(item.service)
        if need.secret == secret_name(item.service) and need.key and need.variable
    ]
    is_read = any(need.variable == item.name for need in needs)
    return bool(needs) and not is_read and not any(need.is_open for need in needs)


def wanted(state: Declared, variables: tuple[SecretVariable, ...]) -> dict[Identity, WantedSecret]:
    """Return what each Secret lacks: under the names and keys by which it is read, where it is."""
    services = frozenset(item.service for item in variables)
    found: dict[Identity, WantedSecret] = {}
    read: set[tuple[str, str]] = set()
    written = plain(state)
    for need in unprovided(state, variables):
        service = _service_of(state, need, services)
        read.add((service, need.variable))
        if need.key:
            owner, variable = held_by(state, need, services)
            made = found.setdefault(need.identity, WantedSecret(service=owner))
            made.entries[need.key] = variable
    for item in missing_entries(state, variables):
        held = any(
            need.variable == item.name and need.identity in written
            for need in state.needs_of(item.service)
        )
        if (item.service, item.name) in read or held:
            continue
        identity = _home(state, item.service, services)
        made = found.setdefault(identity, WantedSecret(service=item.service))
        beside = [need.key for need in state.needs_of(item.service) if need.identity == identity]
        made.entries[spelled(item.name, beside)] = item.name
    return dict(sorted(found.items()))


def held_by(state: Declared, need: Need, services: frozenset[str]) -> tuple[str, str]:
    """Return whose value a key holds, and of which variable: a Secret's own without a service."""
    service = _service_of(state, need, services)
    return service or need.secret, _named(state, need, service)


def _service_of(state: Declared, need: Need, services: frozenset[str]) -> str:
    return next((each for each in sorted(services) if need in state.needs_of(each)), "")


def _named(state: Declared, need: Need, service: str) -> str:
    """Return the variable that a key holds: with a role in its name that no service signs in as."""
    variable = need.variable or as_variable(need.key)
    place = (need.identity, need.key)
    held = {each.role for each in state.needs if (each.identity, each.key) == place}
    if service or held != {need.role} or not need.role:
        return variable
    return own_variable(variable, need.role, state.project)


def _home(state: Declared, service: str, services: frozenset[str]) -> Identity:
    """Return the Secret that a service's further variables go into."""
    for item in state.secrets_of(service, services):
        return item.target, item.namespace
    usual = secret_name(service)
    needs = state.needs_of(service)
    for need in needs:
        if not need.key or need.secret == usual:
            return need.identity
    return usual, state.namespace_of(service)


def spelled(variable: str, beside: Iterable[str]) -> str:
    """Return a variable's key, spelled as the keys beside it are."""
    keys = [key for key in beside if key]
    if keys and all(re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", key) for key in keys):
        return variable.lower().replace("_", "-")
    if keys and all(re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+)*", key) for key in keys):
        return variable.lower()
    return variable
