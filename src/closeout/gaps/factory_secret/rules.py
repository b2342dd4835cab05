"""No secret stands in the source, and the factory's reaches its service: rules of 4.1 to 4.3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import npm, unparsable
from closeout.formats.helm import values_files
from closeout.formats.settings_delivery import Delivery, Undelivered
from closeout.gaps.factory_secret.constants import CLAIMS, own_variable
from closeout.gaps.factory_secret.typescript.edit import REQUIRED, is_optional
from closeout.gaps.factory_secret.typescript.places import (
    NAMED,
    VARIABLE,
    HardcodedSecret,
    SecretKind,
    Sources,
    may_claim,
    may_demand,
    may_name_secret,
    sources,
)
from closeout.gaps.factory_secret.wiring import DELIVERY, optional, required
from closeout.model import Located, Place, Rule, Subject, Tree
from closeout.parsing import lost_imports

_SIGN = REQUIRED.encode()
_DEMANDED = re.compile(rb"\b%s\(\s*['\"]([A-Z][A-Z0-9_]*)['\"]\s*\)" % _SIGN)
_LOST = lost_imports.of(CLAIMS, REQUIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The tree's secrets in source code, and the services that claim devices, mended or not."""

    tree: Tree
    found: Sources
    services: frozenset[PurePosixPath]
    required: tuple[tuple[PurePosixPath, str], ...] = ()
    """Each service with a secret that its code does not start without, now or once it is mended."""
    optional: tuple[tuple[PurePosixPath, str], ...] = ()
    """Each service with a secret that its code falls back from, and starts without."""

    @property
    def deliveries(self) -> tuple[tuple[PurePosixPath, Delivery], ...]:
        """Return how each of those secrets reaches its service."""
        return (
            *((service, required(name)) for service, name in self.required),
            *((service, optional(name)) for service, name in self.optional),
        )


def survey(tree: Tree) -> Survey:
    """Return what the tree's code says about secrets, and which services it concerns."""
    found = sources(tree)
    claiming = (*found.readers, *(item.path for item in found.secrets if item.is_factory))
    services = (npm.service_of(tree, path) for path in claiming)
    known = frozenset(service for service in services if service is not None)
    demanded: set[tuple[PurePosixPath, str]] = set()
    taken: set[tuple[PurePosixPath, str]] = set()
    for item in found.secrets:
        service = npm.service_of(tree, item.path)
        if service is not None and item.fallback is not None:
            (taken if is_optional(tree, item) else demanded).add((service, item.name))
        elif service is not None and (name := own_variable(tree, service, item)):
            demanded.add((service, name))
    for path in found.examined:
        content = tree.read(path) or b""
        for match in _DEMANDED.finditer(content) if _SIGN in content else ():
            service = npm.service_of(tree, path)
            if service is not None:
                demanded.add((service, match[1].decode()))
    return Survey(
        tree=tree,
        found=found,
        services=known,
        required=tuple(sorted(demanded)),
        optional=tuple(sorted(taken - demanded)),
    )


def _in_source(seen: Survey) -> Located:
    found = seen.found
    places = (_secret(item, f"{item.name} {_stands(item.kind)}") for item in found.secrets)
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
    lacking = [*DELIVERY.undelivered(*asked)]
    for service, delivery in seen.deliveries:
        lacking += delivery.undelivered(seen.tree, [service])
    return Located(
        examined=(*DELIVERY.compose_files(*asked), *values_files(*asked)),
        places=tuple(_unwired(item) for item in lacking),
        unresolved=tuple(DELIVERY.unread_charts(*asked)),
    )


def _in_example(seen: Survey) -> Located:
    asked = (seen.tree, seen.services)
    return Located(
        examined=tuple(DELIVERY.examples(*asked)),
        places=tuple(_unwired(item) for item in DELIVERY.undelivered_examples(*asked)),
    )


def _stands(kind: SecretKind) -> str:
    return "is a literal" if kind is SecretKind.CONSTANT else kind.value


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


SUBJECTS = (
    Subject(what="code that requires a secret", criteria=("4.2",), is_in=may_demand),
    Subject(what="code that names a secret", criteria=("4.1",), is_in=may_name_secret),
    Subject(what="code that claims devices by a secret", criteria=("4.3",), is_in=may_claim),
)

RULES = (
    Rule(
        id="no-secret-in-source",
        criterion="4.1",
        locate=_in_source,
        holds_secrets=True,
        reads=(unparsable.compose_files, _LOST),
    ),
    Rule(
        id="secret-from-environment",
        criterion="4.2",
        locate=_from_environment,
        message=f"the claim is not checked against {VARIABLE}",
        reads=(_LOST,),
    ),
    Rule(
        id="secret-reaches-service",
        criterion="4.2",
        locate=_reaches_service,
        reads=(unparsable.compose_files, unparsable.chart_values),
    ),
    Rule(id="example-has-placeholder", criterion="4.3", locate=_in_example),
)
