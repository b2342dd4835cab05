"""Which origins the services may trust, and who says so: the rules of 1.1 to 1.3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import unparsable
from closeout.formats.compose import base_files
from closeout.formats.declared_services import is_any_declared, undetected
from closeout.formats.listed_services import is_orders_own, missing_services
from closeout.fs.once import once
from closeout.gaps.cors.detect import (
    NAMED,
    Flawed,
    absent_policies,
    open_policies,
    unconfigurable,
)
from closeout.gaps.cors.express import detect as express
from closeout.gaps.cors.fastapi.variables import VARIABLE
from closeout.gaps.cors.wiring import delivery, policy_folders
from closeout.model import Located, Place, Rule, Subject, Tree, Unresolved
from closeout.parsing import lost_imports
from closeout.parsing.fastapi import FastApiService, has_services, services

_LISTED = frozenset(path.parents[1] for path in NAMED)
"""The services that the order lists: of its own tree, 1.1 speaks of these alone, 1.3 of all."""

_SETTINGS = (unparsable.compose_files, unparsable.chart_values)
"""What sets origins from outside the code: one that cannot be read may trust everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The tree's FastAPI services, its Express services, and what carries the variable to both."""

    services: tuple[FastApiService, ...]
    listed: tuple[FastApiService, ...]
    """Those that 1.1 speaks of: all of them, where the tree is not the order's own."""
    missing: tuple[Unresolved, ...]
    node: express.ExpressSurvey
    wiring: tuple[PurePosixPath, ...]
    unwired: tuple[Place, ...]


@once
def survey(tree: Tree) -> Survey:
    """Return every FastAPI and Express service of the tree, with the files that configure them."""
    found = services(tree)
    node = express.look(tree)
    reaching = delivery(tree)
    folders = (*policy_folders(found), *express.configurable_folders(tree, node))
    return Survey(
        services=found,
        listed=tuple(
            item for item in found if item.folder in _LISTED or not is_orders_own(tree, NAMED)
        ),
        missing=tuple(missing_services(tree, NAMED)),
        node=node,
        wiring=(
            *reaching.examples(tree, folders),
            *base_files(tree),
            *reaching.charts(tree, folders),
        ),
        unwired=tuple(
            Place(
                path=item.path,
                line=item.line,
                message=f"{VARIABLE} does not reach {item.service} from here",
                excerpt=item.excerpt,
            )
            for item in (
                *reaching.undelivered_examples(tree, folders),
                *reaching.undelivered(tree, folders),
            )
        ),
    )


_LOST = lost_imports.of(*express.MODULES)


def _listed(seen: Survey) -> Located:
    absent = [place for service in seen.listed for place in absent_policies(service)]
    opened = [place for service in seen.listed for place in open_policies(service)]
    return _located(seen.listed, [*absent, *opened], missing=seen.missing)


def _configurable(seen: Survey) -> Located:
    found = [place for service in seen.services for place in unconfigurable(service)]
    return _located(seen.services, found, wiring=seen.wiring, unwired=seen.unwired)


def _closed(seen: Survey) -> Located:
    found = [place for service in seen.services for place in open_policies(service)]
    return _located(seen.services, found)


def _located(
    found: Iterable[FastApiService],
    flawed: Iterable[Flawed],
    *,
    wiring: Iterable[PurePosixPath] = (),
    unwired: Iterable[Place] = (),
    missing: Iterable[Unresolved] = (),
) -> Located:
    applications = (path for service in found for path, _ in service.apps)
    return Located(
        examined=tuple(dict.fromkeys((*applications, *wiring))),
        places=(*(_place(item, item.flaw.value) for item in flawed), *unwired),
        unresolved=(*(item for service in found for item in service.unparsable), *missing),
    )


def _express(seen: Survey) -> Located:
    return Located(
        examined=seen.node.examined,
        places=tuple(_place(item, item.opening.value) for item in seen.node.opened),
        unresolved=seen.node.unresolved,
    )


def _place(item: Flawed | express.OpenedPlace, told: str) -> Place:
    return Place(path=item.path, line=item.line, message=f"the service {told}")


SUBJECTS = (
    Subject(
        what="FastAPI or Starlette service",
        criteria=("1.1", "M.1"),
        is_in=lambda tree: has_services(tree) or is_any_declared(tree, "fastapi"),
    ),
    Subject(
        what="service that answers browsers",
        criteria=("1.2", "1.3"),
        is_in=lambda tree: bool(
            has_services(tree)
            or tree.candidates(express.SERVES)
            or is_any_declared(tree, "fastapi", "express")
        ),
    ),
)

RULES = (
    Rule(
        id="explicit-origins",
        criterion="1.1",
        locate=_listed,
        named=NAMED,
        reads=(undetected("cors.evil-origin-preflight", "cors.evil-origin-get-with-cookie"),),
    ),
    Rule(
        id="origins-from-environment",
        criterion="1.2",
        locate=_configurable,
        named=NAMED,
        reads=_SETTINGS,
    ),
    Rule(
        id="no-wildcard",
        criterion="1.3",
        locate=_closed,
        named=NAMED,
        applies=lambda tree: (
            has_services(tree) or is_orders_own(tree, NAMED) or is_any_declared(tree, "fastapi")
        ),
        reads=(*_SETTINGS, undetected("cors.unknown-origins-rejected-1.3")),
    ),
    Rule(
        id="express-no-wildcard",
        criterion="1.3",
        locate=_express,
        is_optional=True,
        reads=(_LOST,),
    ),
)
