"""Detect secrets in source code and a factory secret that does not reach its service."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.formats import npm
from closeout.formats.helm import values_files
from closeout.formats.settings_delivery import Undelivered
from closeout.gaps.factory_secret.typescript.places import (
    NAMED,
    VARIABLE,
    HardcodedSecret,
    Kind,
    Sources,
    sources,
)
from closeout.gaps.factory_secret.wiring import DELIVERY
from closeout.model import Check, Finding, Tree

GAP = "factory-secret"
_SAYS = {
    Kind.COMPARED: "is compared with a literal",
    Kind.CONSTANT: "is a literal",
    Kind.FALLBACK: "falls back to a literal",
}


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return the checks of source code, of the environment and of its example."""
    found = sources(tree)
    services = factory_services(tree, found)
    return (
        _in_source(found),
        _from_environment(found),
        _reaches_service(tree, services),
        _in_example(tree, services),
    )


def factory_services(tree: Tree, found: Sources) -> frozenset[PurePosixPath]:
    """Return the folders of the services that claim devices, mended or not."""
    paths = (*found.readers, *(item.path for item in found.secrets if item.is_factory))
    services = (npm.service_of(tree, path) for path in paths)
    return frozenset(service for service in services if service is not None)


def _in_source(found: Sources) -> Check:
    findings = tuple(
        _finding("no-secret-in-source", "4.1", item, f"{item.name} {_SAYS[item.kind]}")
        for item in found.secrets
    )
    return Check(
        rule="no-secret-in-source",
        criterion="4.1",
        examined=found.examined,
        findings=findings,
        unresolved=found.broken,
    )


def _from_environment(found: Sources) -> Check:
    factory = [item for item in found.secrets if item.is_factory]
    rule = "secret-from-environment"
    return Check(
        rule=rule,
        criterion="4.2",
        examined=tuple(sorted({*found.readers, *(item.path for item in factory)})),
        findings=tuple(
            _finding(rule, "4.2", item, f"the claim is not checked against {VARIABLE}")
            for item in factory
        ),
        unresolved=found.broken,
    )


def _reaches_service(tree: Tree, services: frozenset[PurePosixPath]) -> Check:
    rule = "secret-reaches-service"
    return Check(
        rule=rule,
        criterion="4.2",
        examined=(*DELIVERY.compose_files(tree, services), *values_files(tree, services)),
        findings=tuple(
            _unwired(rule, "4.2", item) for item in DELIVERY.undelivered(tree, services)
        ),
        unresolved=tuple(DELIVERY.unread_charts(tree, services)),
    )


def _in_example(tree: Tree, services: frozenset[PurePosixPath]) -> Check:
    rule = "example-has-placeholder"
    return Check(
        rule=rule,
        criterion="4.3",
        examined=tuple(DELIVERY.examples(tree, services)),
        findings=tuple(
            _unwired(rule, "4.3", item) for item in DELIVERY.undelivered_examples(tree, services)
        ),
    )


def _finding(rule: str, criterion: str, item: HardcodedSecret, message: str) -> Finding:
    return Finding(
        gap=GAP,
        rule=rule,
        criterion=criterion,
        path=item.path,
        line=item.place.line,
        message=message,
        excerpt=item.place.text.splitlines()[0].replace(item.literal, "…"),
        named=item.path == NAMED and item.is_factory,
    )


def _unwired(rule: str, criterion: str, item: Undelivered) -> Finding:
    return Finding(
        gap=GAP,
        rule=rule,
        criterion=criterion,
        path=item.path,
        line=item.line,
        message=f"{item.path.name} {item.problem}",
        excerpt=item.path.name,
        named=item.path.parent == NAMED.parents[2],
    )
