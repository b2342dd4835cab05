"""No secret stands in the source, and the factory's reaches its service: rules of 4.1 to 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import npm, unparsable
from closeout.formats.helm import values_files
from closeout.formats.settings_delivery import Undelivered
from closeout.gaps.factory_secret.typescript.places import (
    NAMED,
    VARIABLE,
    HardcodedSecret,
    SecretKind,
    Sources,
    sources,
)
from closeout.gaps.factory_secret.wiring import DELIVERY
from closeout.model import Located, Place, Rule, Tree

_SAYS = {
    SecretKind.COMPARED: "is compared with a literal",
    SecretKind.CONSTANT: "is a literal",
    SecretKind.FALLBACK: "falls back to a literal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The tree's secrets in source code, and the services that claim devices, mended or not."""

    tree: Tree
    found: Sources
    services: frozenset[PurePosixPath]


def survey(tree: Tree) -> Survey:
    """Return what the tree's code says about secrets, and which services it concerns."""
    found = sources(tree)
    claiming = (*found.readers, *(item.path for item in found.secrets if item.is_factory))
    services = (npm.service_of(tree, path) for path in claiming)
    known = frozenset(service for service in services if service is not None)
    return Survey(tree=tree, found=found, services=known)


def _in_source(seen: Survey) -> Located:
    found = seen.found
    places = (_secret(item, f"{item.name} {_SAYS[item.kind]}") for item in found.secrets)
    return Located(examined=found.examined, places=tuple(places), unresolved=found.broken)


def _from_environment(seen: Survey) -> Located:
    factory = [item for item in seen.found.secrets if item.is_factory]
    return Located(
        examined=tuple(sorted({*seen.found.readers, *(item.path for item in factory)})),
        places=tuple(_secret(item) for item in factory),
        unresolved=seen.found.broken,
    )


def _reaches_service(seen: Survey) -> Located:
    asked = (seen.tree, seen.services)
    return Located(
        examined=(*DELIVERY.compose_files(*asked), *values_files(*asked)),
        places=tuple(_unwired(item) for item in DELIVERY.undelivered(*asked)),
        unresolved=tuple(DELIVERY.unread_charts(*asked)),
    )


def _in_example(seen: Survey) -> Located:
    asked = (seen.tree, seen.services)
    return Located(
        examined=tuple(DELIVERY.examples(*asked)),
        places=tuple(_unwired(item) for item in DELIVERY.undelivered_examples(*asked)),
    )


def _secret(item: HardcodedSecret, message: str = "") -> Place:
    """Return the secret's place, without the secret."""
    return Place(
        path=item.path,
        line=item.place.line,
        message=message,
        excerpt=item.place.text.splitlines()[0].replace(item.literal, "…"),
        named=item.path == NAMED and item.is_factory,
    )


def _unwired(item: Undelivered) -> Place:
    return Place(
        path=item.path,
        line=item.line,
        message=f"{item.path.name} {item.problem}",
        excerpt=item.path.name,
        named=item.path.parent == NAMED.parents[2],
    )


RULES = (
    Rule(
        id="no-secret-in-source",
        criterion="4.1",
        locate=_in_source,
        holds_secrets=True,
        reads=(unparsable.compose_files,),
    ),
    Rule(
        id="secret-from-environment",
        criterion="4.2",
        locate=_from_environment,
        message=f"the claim is not checked against {VARIABLE}",
    ),
    Rule(
        id="secret-reaches-service",
        criterion="4.2",
        locate=_reaches_service,
        reads=(unparsable.compose_files, unparsable.chart_values),
    ),
    Rule(id="example-has-placeholder", criterion="4.3", locate=_in_example),
)
