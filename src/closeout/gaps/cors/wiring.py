"""Say what carries ALLOWED_ORIGINS to a service: env example, compose file and chart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.settings_delivery import Delivery, Setting
from closeout.model import Tree
from closeout.parsing.fastapi import FastApiService

LOCAL_ORIGINS = ("http://localhost:5135", "http://localhost:5143")
"""The dashboards on a developer's machine, as the order lists them."""

_WHAT_FOR = (
    "# Browser origins that may call this service, separated by commas.\n"
    "# In production it has to be set, or the service does not start."
)
# Both are named without a value: compose then passes on what the caller's environment says, and
# an unset variable stays unset, so that production fails instead of trusting localhost.
_ORIGINS = Setting(
    name="ALLOWED_ORIGINS",
    example=f"{_WHAT_FOR}\nALLOWED_ORIGINS={','.join(LOCAL_ORIGINS)}",
    chart=f'{_WHAT_FOR}\nALLOWED_ORIGINS: ""',
    below="PORT",
)
_STAGE = Setting(name="APP_ENV")
_TELLING = frozenset([_ORIGINS.name, _STAGE.name, "ENVIRONMENT", "NODE_ENV"])
"""Variables beside which a service needs no other word on its stage."""


def policy_folders(found: Iterable[FastApiService]) -> tuple[PurePosixPath, ...]:
    """Return the folders of the FastAPI services that have a policy."""
    return tuple(service.folder for service in found if service.cors_calls)


def _in_compose(_: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
    return (_ORIGINS,) if _TELLING & service.variables.keys() else (_ORIGINS, _STAGE)


DELIVERY = Delivery(in_examples=_ORIGINS, in_charts=(_ORIGINS,), in_compose=_in_compose)
