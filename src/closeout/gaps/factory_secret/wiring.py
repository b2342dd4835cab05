"""Say what carries the factory secret to the service that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from closeout.formats import compose
from closeout.formats.compose_example import reference
from closeout.formats.settings import Setting
from closeout.formats.settings_delivery import Delivery
from closeout.gaps.factory_secret.typescript.places import VARIABLE
from closeout.model import Tree
from closeout.parsing.node_sources import readers

_KEY = re.compile(r"[^$]+|\$\{\w+:-[^${}]*\}")
_HOPS = Setting(
    name="TRUST_PROXY_HOPS",
    value="${CLAIMS_TRUST_PROXY_HOPS:-0}",
    example="# Proxies in front of this service that append to X-Forwarded-For.\n"
    "TRUST_PROXY_HOPS=0",
)
"""How many proxies the guard's limiter may believe, where a service's code reads it.

In compose by a name of its own: whoever signs users in may stand behind more of them.
"""
_SECRET = Setting(
    name=VARIABLE,
    value=f"${{{VARIABLE}}}",
    example="# What the factory line sends with a device: openssl rand -hex 32\n"
    f"{VARIABLE}=<generate-secure-random-string>",
    is_secret=True,
)
"""Compose warns where it is not set."""


def _in_compose(tree: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
    is_limiting = readers(tree, frozenset([service.folder]), _HOPS.name)
    return (_SECRET, _HOPS) if is_limiting else (_SECRET,)


DELIVERY = Delivery(
    in_examples=_SECRET, beside=(_HOPS,), in_charts=(_SECRET,), in_compose=_in_compose
)


def required(name: str) -> Delivery:
    """Return how a secret that code no longer makes up is delivered: without it nothing starts."""
    setting = Setting(
        name=name,
        value=reference(name),
        example=f"{name}=<generate-secure-random-string>",
        is_secret=True,
    )
    return _alone(setting)


def optional(name: str) -> Delivery:
    """Return how a secret is handed on without which the service starts as it always did.

    Where the file itself starts the server that is called so, with what opens it.
    """
    setting = Setting(
        name=name, value=f"${{{name}:-}}", example=f"# Optional.\n{name}=", is_secret=True
    )

    def in_compose(_: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
        key = _key_of(name, compose.services(service.path, service.content))
        return (replace(setting, value=f"${{{name}:-{key}}}"),)

    return replace(_alone(setting), in_compose=in_compose)


def _key_of(name: str, services: Iterable[compose.ComposeService]) -> str:
    """Return what the one server of such a name takes its own such secret from."""
    software, _, sort = name.lower().partition("_")
    found = {
        value if value.startswith("${") else f"${{{variable}:-{value}}}"
        for each in services
        if each.image.rpartition("/")[2].split(":")[0] == software
        for variable, value in each.variables.items()
        if sort and sort in variable.lower().split("_") and _KEY.fullmatch(value)
    }
    return found.pop() if len(found) == 1 else ""


def _alone(setting: Setting) -> Delivery:
    def in_compose(_: Tree, __: compose.ComposeService) -> tuple[Setting, ...]:
        return (setting,)

    return Delivery(in_examples=setting, in_charts=(setting,), in_compose=in_compose)
