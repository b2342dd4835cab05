"""What the layers around every FastAPI application have to do: the rules of 7.1 to 7.4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from closeout.formats.declared_services import is_any_declared, undetected
from closeout.formats.listed_services import missing_services
from closeout.fs.once import once
from closeout.gaps.headers.detect import (
    NAMED,
    Application,
    applications_of,
    misplacement,
    shortfall,
)
from closeout.model import Located, Place, Rule, Subject, Tree, Unresolved
from closeout.parsing.fastapi import has_services, services

SUBJECTS = (
    Subject(
        what="FastAPI or Starlette service",
        criteria=("7.1", "7.2", "7.3", "7.4", "M.6"),
        is_in=lambda tree: has_services(tree) or is_any_declared(tree, "fastapi"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The tree's FastAPI applications, and what cannot be judged of its services."""

    applications: tuple[Application, ...]
    unparsable: tuple[Unresolved, ...]
    missing: tuple[Unresolved, ...]


@once
def survey(tree: Tree) -> Survey:
    """Return every FastAPI application of the tree with what stands around it."""
    found = services(tree)
    return Survey(
        applications=tuple(item for service in found for item in applications_of(service)),
        unparsable=tuple(item for service in found for item in service.unparsable),
        missing=tuple(missing_services(tree, NAMED)),
    )


def _outermost(seen: Survey) -> Located:
    return _located(misplacement, seen, seen.missing)


def _set(header: str, seen: Survey) -> Located:
    return _located(partial(shortfall, header), seen)


def _located(
    fault: Callable[[Application], str], seen: Survey, missing: tuple[Unresolved, ...] = ()
) -> Located:
    places = (
        Place(path=item.path, line=item.creation.line, message=f"{item.service.folder.name} {told}")
        for item in seen.applications
        if (told := fault(item))
    )
    return Located(
        examined=tuple(dict.fromkeys(item.path for item in seen.applications)),
        places=tuple(places),
        unresolved=(*seen.unparsable, *missing),
    )


RULES = (
    Rule(
        id="outermost",
        criterion="7.1",
        locate=_outermost,
        named=NAMED,
        reads=(undetected("headers.on-200", "headers.on-404", "headers.on-500"),),
    ),
    *(
        Rule(
            id=name,
            criterion=criterion,
            locate=partial(_set, header),
            named=NAMED,
            reads=(undetected(probe),),
        )
        for name, criterion, header, probe in (
            ("frame-options", "7.2", "x-frame-options", "headers.frame-options"),
            ("nosniff", "7.3", "x-content-type-options", "headers.nosniff"),
            ("transport-security", "7.4", "strict-transport-security", "headers.hsts"),
        )
    ),
)
