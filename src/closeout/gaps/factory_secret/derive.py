"""Take secrets out of the source: from the environment, checked at boot, handed to the service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from closeout import npm
from closeout.anchors import typescript
from closeout.anchors import typescript_imports as imports
from closeout.gaps.factory_secret.detect import factory_services
from closeout.gaps.factory_secret.mending import Mended, by_hand, mend_comparison, mend_fallback
from closeout.gaps.factory_secret.places import HardcodedSecret, Kind, Sources, sources
from closeout.gaps.factory_secret.wiring import (
    chart_edits,
    compose_edits,
    example_edit,
    unread_charts,
)
from closeout.model import Changeset, Edit, Unresolved
from closeout.rendering import render
from closeout.splicing import Splice, splice
from closeout.tree import Tree

_CLAIMS = "src/config/factorySecret.ts"
_REQUIRED = "src/config/requiredSecret.ts"


def derive(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset a service with a secret in its source, and one for compose."""
    found = sources(tree)
    factory = factory_services(tree, found)
    open_paths = {*(item.path for item in found.secrets), *(item.path for item in found.broken)}
    services = {_service(tree, path) for path in open_paths}
    changes = [
        _changeset(tree, service, found, is_factory=service in factory)
        for service in sorted(services | factory)
    ]
    wiring = tuple(compose_edits(tree, factory))
    if wiring:
        changes.append(Changeset(name="compose", edits=wiring))
    return tuple(change for change in changes if change.edits or change.unresolved)


def _service(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    return npm.service_of(tree, path) or path.parent


def _changeset(
    tree: Tree, service: PurePosixPath, found: Sources, *, is_factory: bool
) -> Changeset:
    secrets = [item for item in found.secrets if _service(tree, item.path) == service]
    left = [item for item in found.broken if _service(tree, item.path) == service]
    outcomes = [(secret, _mended(tree, service, secret)) for secret in secrets]
    left += [outcome for _, outcome in outcomes if isinstance(outcome, Unresolved)]
    edits: list[Edit] = []
    if any(secret.is_factory for secret in secrets):
        wanted = npm.dependencies(render("factory-secret/npm.json.j2", {}))
        edits, problems = _dependencies(tree, service, wanted)
        left += problems
    blocked = {item.path for item in left}
    kept = [
        (secret, outcome)
        for secret, outcome in outcomes
        if isinstance(outcome, Mended)
        and blocked.isdisjoint(path for path, _ in outcome.splices)
        and not (secret.is_factory and service / "package.json" in blocked)
    ]
    if not any(secret.is_factory for secret, _ in kept):
        edits = []
    edits += _files(tree, service, [secret for secret, _ in kept])
    edits += _spliced(tree, [outcome for _, outcome in kept])
    if is_factory:
        edits += example_edit(tree, service)
        edits += chart_edits(tree, frozenset([service]))
        left += unread_charts(tree, frozenset([service]))
    return Changeset(name=service.name or "services", edits=tuple(edits), unresolved=tuple(left))


def _dependencies(
    tree: Tree, service: PurePosixPath, wanted: npm.Dependencies
) -> tuple[list[Edit], list[Unresolved]]:
    edits, problems = npm.add(tree, service, wanted)
    manifest = service / "package.json"
    return ([] if problems else list(edits)), [replace(item, path=manifest) for item in problems]


def _mended(tree: Tree, service: PurePosixPath, secret: HardcodedSecret) -> Mended | Unresolved:
    if secret.path.suffix != ".ts":
        return by_hand(secret)
    if secret.is_factory:
        if tree.read(service / _CLAIMS) is not None:
            return by_hand(secret)
        return mend_comparison(tree, service, secret, service / _CLAIMS)
    if secret.kind is Kind.FALLBACK:
        return mend_fallback(tree, secret, service / _REQUIRED)
    return by_hand(secret)


def _files(tree: Tree, service: PurePosixPath, secrets: list[HardcodedSecret]) -> Iterator[Edit]:
    claims = next((item for item in secrets if item.is_factory), None)
    if claims is not None:
        values = {
            "burnt_digest": hashlib.sha256(claims.literal.encode()).hexdigest(),
            "logger": _logger(tree, service, claims.path),
        }
        after = render("factory-secret/factorySecret.ts.j2", values)
        yield Edit(path=service / _CLAIMS, before=None, after=after)
    is_required = any(item.kind is Kind.FALLBACK for item in secrets)
    if is_required and tree.read(service / _REQUIRED) is None:
        after = render("factory-secret/requiredSecret.ts.j2", {})
        yield Edit(path=service / _REQUIRED, before=None, after=after)


def _logger(tree: Tree, service: PurePosixPath, controller: PurePosixPath) -> dict[str, str] | None:
    """Return how the new module imports the logger that the controller uses, None without one."""
    source = typescript.read(tree.read(controller) or b"")
    for item in imports.statements(source):
        exported = item.names.get("logger", "default")
        if item.source.startswith(".") and exported != "default":
            plain = controller.parent.joinpath(item.source.removesuffix(".js"))
            parts: list[str] = []
            for part in plain.parts:
                if part == "..":
                    parts.pop()
                else:
                    parts.append(part)
            folder = (service / _CLAIMS).parent
            name = imports.relative(folder, PurePosixPath(*parts)) + imports.extension(source)
            return {"exported": exported, "source": name}
    return None


def _spliced(tree: Tree, mended: list[Mended]) -> Iterator[Edit]:
    by_path: dict[PurePosixPath, list[Splice]] = {}
    for item in mended:
        for path, place in item.splices:
            here = by_path.setdefault(path, [])
            if place not in here:
                here.append(place)
    for path, splices in sorted(by_path.items()):
        before = tree.read(path) or b""
        yield Edit(path=path, before=before, after=splice(before, splices), mode=tree.mode(path))
