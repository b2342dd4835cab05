"""Take secrets out of the source: from the environment, checked at boot, handed to the service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from posixpath import normpath

from closeout.formats import compose, npm
from closeout.formats.compose_calls import filled
from closeout.formats.compose_example import completed
from closeout.formats.env_examples import examples_in
from closeout.formats.images import home_for
from closeout.formats.taught_defaults import TakenDefault, secret_in, teaching
from closeout.fs.text_edit import Splice, all_spliced
from closeout.fs.tree import Overlay, below, staged
from closeout.gaps.factory_secret.constants import CLAIMS, own_variable
from closeout.gaps.factory_secret.rules import Survey, survey
from closeout.gaps.factory_secret.typescript import spoken as spoken_of
from closeout.gaps.factory_secret.typescript.edit import (
    REQUIRED,
    Mended,
    by_hand,
    is_optional,
    left_open,
    mend_comparison,
    mend_literal,
)
from closeout.gaps.factory_secret.typescript.places import HardcodedSecret, SecretKind, Sources
from closeout.gaps.factory_secret.typescript.variable_files import loading
from closeout.gaps.factory_secret.wiring import DELIVERY, required
from closeout.model import Changeset, Edit, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing import typescript_imports as imports
from closeout.parsing.typescript_language import Language, language, unspoken
from closeout.resources import render


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset a service with a secret in its source, and one for compose."""
    seen = survey(tree)
    found, factory = seen.found, seen.services
    open_paths = {*(item.path for item in found.secrets), *(item.path for item in found.broken)}
    services = {npm.home_of(tree, path) for path in open_paths}
    changes = [
        _changeset(tree, service, found, is_factory=service in factory)
        for service in sorted(services | factory)
    ]
    overlay = staged(tree, changes)
    wiring = _wiring(overlay, seen)
    if wiring:
        changes.append(Changeset(name="compose", edits=wiring))
    told = tuple(teaching(tree, _taken(staged(tree, changes), found)))
    changes.append(Changeset(name="taught", edits=(), unresolved=told))
    return tuple(change for change in changes if change.edits or change.unresolved)


def _taken(tree: Tree, before: Sources) -> list[TakenDefault]:
    """Return what no source of the tree falls back to any more, and no compose file gives."""
    kept = {(item.name, item.literal) for item in survey(tree).found.secrets}
    given = {pair for each in compose.all_services(tree) for pair in each.variables.items()}
    kept |= {(name, secret_in(value)) for name, value in given}
    return sorted(
        TakenDefault(path=item.path, name=item.name, secret=item.literal)
        for item in before.secrets
        if item.kind is SecretKind.FALLBACK and (item.name, item.literal) not in kept
    )


def _wiring(tree: Tree, seen: Survey) -> tuple[Edit, ...]:
    """Return what hands the secrets on: compose files, charts, and the examples beside them."""
    overlay = Overlay(tree)
    for edit in DELIVERY.compose_edits(overlay, seen.services):
        overlay.lay(edit)
    for service, delivery in seen.deliveries:
        told = [service] if any(delivery.undelivered(overlay, [service])) else []
        loads = loading(overlay, service)
        has_file = examples_in(overlay, service) or (loads and not isinstance(loads, str))
        for edit in (
            *delivery.compose_edits(overlay, told),
            *delivery.chart_edits(overlay, told),
            *delivery.example_edits(overlay, [service] if has_file else []),
        ):
            overlay.lay(edit)
    changed = {edit.path: edit.after for edit in overlay.edits}
    folders = {path.parent for path in changed if compose.may_be_compose(path)}
    for path, after in completed(tree, {}, changed):
        if path.parent in folders and overlay.read(path) != after:
            overlay.lay(Edit.of(overlay, path, after))
    for path, after in filled(overlay, {}) if folders else ():
        overlay.lay(Edit.of(overlay, path, after))
    return overlay.edits


def _changeset(
    tree: Tree, service: PurePosixPath, found: Sources, *, is_factory: bool
) -> Changeset:
    secrets = [item for item in found.secrets if npm.home_of(tree, item.path) == service]
    left = [item for item in found.broken if npm.home_of(tree, item.path) == service]
    spoken = {path: language(tree, service, [path]) for path in {item.path for item in secrets}}
    outcomes = [(item, _mended(tree, service, item, spoken[item.path])) for item in secrets]
    outcomes = [pair for pair in outcomes if not _goes_with_another(pair[0], outcomes)]
    left += [outcome for _, outcome in outcomes if isinstance(outcome, Unresolved)]
    edits: list[Edit] = []
    if any(secret.is_factory for secret in secrets):
        wanted = npm.dependencies(render("factory-secret/npm.json.j2", {}))
        added, problems = npm.add(tree, service, wanted)
        edits += () if problems else added
        left += [replace(item, path=service / "package.json") for item in problems]
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
    new = {
        edit.path: edit
        for path in sorted(spoken)
        if (known := spoken[path]) is not None
        for edit in _files(tree, service, [pair for pair in kept if pair[0].path == path], known)
    }
    edits += new.values()
    passwords = {
        item.literal: own_variable(tree, service, item)
        for item, _ in kept
        if item.value is not None
    }
    told = _told(tree, passwords, {item.path for item, _ in kept})
    edits += _spliced(tree, [*(outcome for _, outcome in kept), told])
    if any(item.kind is SecretKind.HASHED for item, _ in kept):
        left += spoken_of.typed(tree, passwords)
    if is_factory:
        edits += DELIVERY.example_edits(tree, [service])
        edits += DELIVERY.chart_edits(tree, [service])
        left += DELIVERY.unread_charts(tree, [service])
    return Changeset(name=service.name or "services", edits=tuple(edits), unresolved=tuple(left))


def _told(tree: Tree, passwords: Mapping[str, str], mended: Iterable[PurePosixPath]) -> Mended:
    """Return what has remarks beside a password, and pages that tell it, name its variable."""
    places = [
        (path, item)
        for path in sorted(mended)
        for item in spoken_of.remarks(tree.read(path) or b"", passwords)
    ]
    return Mended(splices=(*places, *spoken_of.pages(tree, passwords)))


def _goes_with_another(
    secret: HardcodedSecret, outcomes: list[tuple[HardcodedSecret, Mended | Unresolved]]
) -> bool:
    """Return whether the mending of a comparison takes the secret along."""
    return not secret.is_factory and any(
        isinstance(outcome, Mended)
        and other.is_factory
        and other.path == secret.path
        and other.literal == secret.literal
        for other, outcome in outcomes
    )


def _module(
    tree: Tree, service: PurePosixPath, name: str, spoken: Language, user: PurePosixPath
) -> PurePosixPath:
    """Return where a new module of that name goes, from where images take `user` too."""
    has_sources = below(tree, service / "src")
    folder = service / "src" if has_sources or spoken.suffix == ".ts" else service
    return home_for(tree, user, folder, f"config/{name}{spoken.suffix}")


def _mended(
    tree: Tree, service: PurePosixPath, secret: HardcodedSecret, spoken: Language | None
) -> Mended | Unresolved:
    if spoken is None:
        return left_open(secret, unspoken(tree, service, [secret.path]))
    if secret.is_factory:
        module = _module(tree, service, CLAIMS, spoken, secret.path)
        if tree.read(module) is not None:
            return by_hand(secret)
        return mend_comparison(tree, service, secret, module, spoken.extension)
    module = _module(tree, service, REQUIRED, spoken, secret.path)
    name = secret.name if secret.fallback is not None else own_variable(tree, service, secret)
    if not name:
        return by_hand(secret)
    withheld = "" if is_optional(tree, secret) else _withheld(tree, service, name)
    if withheld:
        return left_open(secret, f"{name} {secret.kind.value}: {withheld}")
    return mend_literal(tree, replace(secret, name=name), module, spoken.extension)


def _withheld(tree: Tree, service: PurePosixPath, name: str) -> str:
    """Return why a service could not get a secret that it requires, empty where it can."""
    late = loading(tree, service)
    if isinstance(late, str):
        return late
    unread = next(required(name).unread_charts(tree, [service]), None)
    return f"{unread.path}: {unread.detail}" if unread else ""


def _files(
    tree: Tree,
    service: PurePosixPath,
    kept: list[tuple[HardcodedSecret, Mended]],
    spoken: Language,
) -> Iterator[Edit]:
    claims = next((item for item, _ in kept if item.is_factory), None)
    if claims is not None:
        path = _module(tree, service, CLAIMS, spoken, claims.path)
        values = {
            "burnt_digest": hashlib.sha256(claims.literal.encode()).hexdigest(),
            "logger": _logger(tree, path.parent, claims.path),
            "claim_field": next((item.field for _, item in kept if item.field), ""),
        }
        after = spoken.written(render("factory-secret/factorySecret.ts.j2", values))
        yield Edit(path=path, before=None, after=after)
    required_by = [item for item, _ in kept if item.kind is not SecretKind.COMPARED]
    if not required_by:
        return
    path = _module(tree, service, REQUIRED, spoken, required_by[0].path)
    if tree.read(path) is None:
        lines = {"loading": loading(tree, service)}
        after = spoken.written(render("factory-secret/requiredSecret.ts.j2", lines))
        yield Edit(path=path, before=None, after=after)


def _logger(tree: Tree, folder: PurePosixPath, controller: PurePosixPath) -> dict[str, str] | None:
    """Return how the new module imports the logger that the controller uses, None without one."""
    source = typescript.read(tree.read(controller) or b"")
    for item in imports.statements(source):
        exported = item.names.get("logger", "default")
        if item.source.startswith(".") and exported != "default":
            plain = normpath(controller.parent / item.source.removesuffix(".js"))
            name = imports.relative(folder, PurePosixPath(plain)) + imports.extension(source)
            return {"exported": exported, "source": name}
    return None


def _spliced(tree: Tree, mended: list[Mended]) -> Iterator[Edit]:
    by_path: dict[PurePosixPath, list[Splice]] = {}
    for item in mended:
        for path, place in item.splices:
            here = by_path.setdefault(path, [])
            if place not in here:
                here.append(place)
    yield from all_spliced(tree, by_path)
