"""Say which origins a tree has, and what carries ALLOWED_ORIGINS to a service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.deployed import environments
from closeout.formats.front_ends import local_origins
from closeout.formats.settings import Setting
from closeout.formats.settings_delivery import Delivery
from closeout.formats.tree_names import ORDERS_PROJECT, project
from closeout.fs.once import once
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.gaps.cors.fastapi.variables import VARIABLE, configured_by
from closeout.gaps.cors.page_headers import sent
from closeout.model import Tree
from closeout.parsing.fastapi import FastApiService
from closeout.parsing.node_sources import SUFFIXES

_ORDERS_ORIGINS = ("http://localhost:5135", "http://localhost:5143")
"""The dashboards on a developer's machine, as the order lists them."""

_WHAT_FOR = (
    "# Browser origins that may call this service, separated by commas.\n"
    "# In production it has to be set, or the service does not start."
)
_TENANTS = question(
    (*SUFFIXES, ".tsx", ".jsx", ".py", ".yml", ".yaml", ".conf"),
    lambda content: holds_in_any_case(content, (b"x-tenant-id",)),
)
USUAL_STAGES = ("APP_ENV", "ENVIRONMENT", "NODE_ENV")
_STAGE = Setting(name=USUAL_STAGES[0])
_TELLS_STAGE = re.compile(r"(?:^|_)(?:ENV|ENVIRONMENT|STAGE)$")
_REAL = frozenset({"production", "prod", "staging"})


def policy_folders(found: Iterable[FastApiService]) -> tuple[PurePosixPath, ...]:
    """Return the folders of the FastAPI services whose policy the variable configures."""
    return tuple(
        service.folder
        for service in found
        if service.cors_calls and VARIABLE in configured_by(service)
    )


@once
def origins(tree: Tree) -> tuple[str, ...]:
    """Return the origins of the tree's own front ends; the order's are its own project's."""
    ours = _ORDERS_ORIGINS if project(tree) == ORDERS_PROJECT else ()
    return tuple(dict.fromkeys((*ours, *local_origins(tree))))


def template_values(tree: Tree, folder: PurePosixPath) -> dict[str, object]:
    """Return what goes into the policy's module: origins, pages' headers, and stage variables."""
    tenants = project(tree) == ORDERS_PROJECT or bool(tree.candidates(_TENANTS))
    return {
        "local_origins": origins(tree),
        "request_headers": sent(tree, tenants=tenants),
        "stages": _stages(tree, folder),
    }


@once
def _stages(tree: Tree, folder: PurePosixPath) -> tuple[str, ...]:
    """Return the usual variables, and those by which the tree calls the service's stage real."""
    told = {
        name
        for deployed in environments(tree, folder)
        for name, text in deployed.variables.items()
        if _TELLS_STAGE.search(name) and text.strip().lower() in _REAL
    }
    return (*USUAL_STAGES, *sorted(told.difference(USUAL_STAGES)))


def asks(tree: Tree) -> tuple[str, ...]:
    """Return what a person has to say, where neither the tree nor closeout.toml does."""
    if origins(tree):
        return ()
    told = "no page is trusted on a developer's machine: set ALLOWED_ORIGINS there, or name them"
    return (f"{told} as origins below [names] in closeout.toml",)


def delivery(tree: Tree, declared: Iterable[str] = ()) -> Delivery:
    """Return how the variable reaches services; `declared` origins stand in examples too.

    Compose names it without a value: it then passes on what the caller's environment says, and an
    unset variable stays unset, so that production fails instead of trusting localhost.
    """
    listed = ",".join(dict.fromkeys((*declared, *origins(tree))))
    setting = Setting(
        name=VARIABLE,
        example=f"{_WHAT_FOR}\n{VARIABLE}={listed}",
        chart=f'{_WHAT_FOR}\n{VARIABLE}: ""',
        below="PORT",
    )

    def in_compose(_: Tree, service: compose.ComposeService) -> tuple[Setting, ...]:
        named = service.variables
        is_told = VARIABLE in named or any(map(_TELLS_STAGE.search, named))
        return (setting,) if is_told else (setting, _STAGE)

    return Delivery(in_examples=setting, in_charts=(setting,), in_compose=in_compose)
