"""Say what carries ALLOWED_ORIGINS to a service: env example, compose file and chart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.settings_delivery import Delivery, Setting
from closeout.gaps.cors.stages import are_told
from closeout.model import Tree
from closeout.parsing.fastapi import FastApiService

_WHAT_FOR = (
    "# Browser origins that may call this service, separated by commas.\n"
    "# In production it has to be set, or the service does not start."
)
_STAGE = Setting(name="APP_ENV")


def delivery(origins: Iterable[str] = ()) -> Delivery:
    """Return what carries ALLOWED_ORIGINS; examples give it `origins`.

    Both are named without a value: compose then passes on what the caller's environment says, and
    an unset variable stays unset, so that production fails instead of trusting localhost.
    """
    setting = Setting(
        name="ALLOWED_ORIGINS",
        example=f"{_WHAT_FOR}\nALLOWED_ORIGINS={','.join(origins)}",
        chart=f'{_WHAT_FOR}\nALLOWED_ORIGINS: ""',
        below="PORT",
    )

    def in_compose(_: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
        named = service.variables
        return (setting,) if setting.name in named or are_told(named) else (setting, _STAGE)

    return Delivery(in_examples=setting, in_charts=(setting,), in_compose=in_compose)


DELIVERY = delivery()
"""What carries it, whatever the origins are."""


def policy_folders(found: Iterable[FastApiService]) -> tuple[PurePosixPath, ...]:
    """Return the folders of the FastAPI services that have a policy."""
    return tuple(service.folder for service in found if service.cors_calls)
