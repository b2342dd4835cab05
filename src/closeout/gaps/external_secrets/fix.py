"""Compute what is missing: the operator's command, its account and store, and every entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from msgspec.structs import asdict

from closeout.formats.manifests import documents
from closeout.fs.text_edit import splice
from closeout.gaps.external_secrets import target
from closeout.gaps.external_secrets.charts import mended_charts
from closeout.gaps.external_secrets.consumers import unprovided
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.detect import account_of, missing_entries, survey
from closeout.gaps.external_secrets.installation import commands
from closeout.gaps.external_secrets.inventory import SecretVariable
from closeout.gaps.external_secrets.inventory.literals import literals
from closeout.gaps.external_secrets.overlays import environments, overlay_files
from closeout.gaps.external_secrets.repair import mended_commands, mended_manifests
from closeout.gaps.external_secrets.settings import Settings, settings
from closeout.gaps.external_secrets.written import unwritten
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing import yaml as anchors
from closeout.resources import render

_EXECUTABLE = 0o755
_PLAIN = 0o644


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the changesets for what is still open; nothing for a tree that is whole."""
    seen = survey(tree)
    state, variables, services = seen.state, seen.variables, seen.services
    wanted = _wanted(state, variables)
    chosen = settings(tree)
    files = {
        **_entry_files(state, services, wanted, chosen),
        **_platform_files(tree, state, wanted, chosen),
    }
    mended = (*mended_commands(tree), *mended_manifests(tree, state, services, wanted))
    files |= _overlays(tree, state, wanted, files, chosen)
    files |= _kustomization(tree, state, files)
    rendered, blocked = _edits(tree, files)
    changesets = [
        *mended,
        *unwritten(tree, literals(tree, variables)),
        *mended_charts(tree, variables),
    ]
    if rendered or blocked:
        changesets.append(
            Changeset(
                name="external-secrets", edits=rendered, source=Source.TEMPLATE, unresolved=blocked
            )
        )
    return tuple(changesets)


def _wanted(state: Declared, variables: tuple[SecretVariable, ...]) -> dict[str, tuple[str, ...]]:
    wanted: dict[str, list[str]] = defaultdict(list)
    for item in missing_entries(state, variables):
        wanted[item.service].append(item.name)
    return {service: tuple(names) for service, names in sorted(wanted.items())}


def _entry_files(
    state: Declared,
    services: frozenset[str],
    wanted: Mapping[str, tuple[str, ...]],
    chosen: Settings,
) -> dict[PurePosixPath, tuple[bytes, int]]:
    store = state.stores[0] if state.stores else None
    owed = {
        (target.secret_name(service), state.namespace_of(service)): (service, set(variables))
        for service, variables in wanted.items()
        if not state.secrets_of(service, services)
    }
    made = {(item.target, item.namespace) for item in state.secrets}
    for need in unprovided(state):
        identity = (need.secret, need.namespace)
        if identity not in made:
            owed.setdefault(identity, (need.secret, set()))[1].add(need.key)
    return {
        target.manifest_path(service): (
            render(
                "external-secrets/external-secret.yaml.j2",
                {
                    "api_version": chosen.api_version,
                    "service": service,
                    "name": name,
                    "namespace": namespace,
                    "provider": _provider(store, chosen),
                    "refresh": chosen.refresh,
                    "store_kind": store.document.kind if store else "ClusterSecretStore",
                    "store": store.name if store else chosen.store,
                    "entries": [
                        {"variable": item, "key": target.remote_key(service, item)}
                        for item in sorted(variables)
                    ],
                },
            ),
            _PLAIN,
        )
        for (name, namespace), (service, variables) in owed.items()
    }


def _platform_files(
    tree: Tree, state: Declared, wanted: Mapping[str, tuple[str, ...]], chosen: Settings
) -> dict[PurePosixPath, tuple[bytes, int]]:
    values = _values(state, _namespaces(state, wanted), chosen)
    names = []
    if not state.stores:
        names.append("cluster-secret-store.yaml")
        if values["undeclared"]:
            names.append("namespaces.yaml")
    signs_in = not state.stores or any(account_of(store)[0] for store in state.stores)
    account = (values["account"], values["account_namespace"])
    if signs_in and account not in state.accounts:
        names.append("service-account.yaml")
    if not state.releases and not any(True for _ in commands(tree)):
        names += ["bind-identity.sh", "create-remote-secrets.sh", "install.sh", "roll-out.sh"]
    return {
        target.FOLDER / name: (
            render(f"external-secrets/{name}.j2", values),
            _EXECUTABLE if name.endswith(".sh") else _PLAIN,
        )
        for name in names
    }


def _namespaces(state: Declared, wanted: Mapping[str, tuple[str, ...]]) -> list[str]:
    used = {state.namespace_of(service) for service in wanted}
    used |= {item.namespace for item in state.secrets if item.namespace}
    used |= {need.namespace for need in unprovided(state)}
    return sorted(used or {target.CLOUD_NAMESPACE})


def _values(state: Declared, namespaces: list[str], chosen: Settings) -> dict[str, object]:
    named = [account_of(store) for store in state.stores]
    account, place = next(
        (each for each in named if each[0]), (target.ACCOUNT, target.ACCOUNT_NAMESPACE)
    )
    store = state.stores[0].name if state.stores else chosen.store
    return asdict(chosen) | {
        "store": store,
        "environments": environments(store),
        "overlays": target.OVERLAYS.relative_to(target.FOLDER.parent),
        "prefix": target.PREFIX,
        "google_account": chosen.google_account,
        "account": account,
        "account_namespace": place,
        "namespaces": namespaces,
        "undeclared": sorted({*namespaces, place} - state.namespaces),
    }


def _provider(store: Found | None, chosen: Settings) -> str:
    """Return where entries are read from: a store that is there already decides."""
    held = store.field("spec", "provider") if store else None
    return next(iter(held)) if isinstance(held, dict) and held else chosen.provider


def _overlays(
    tree: Tree,
    state: Declared,
    wanted: Mapping[str, tuple[str, ...]],
    files: Mapping[PurePosixPath, tuple[bytes, int]],
    chosen: Settings,
) -> dict[PurePosixPath, tuple[bytes, int]]:
    """Return the overlays over a folder that is made now; another one has its owner's."""
    fresh = target.FOLDER / "cluster-secret-store.yaml" in files
    if not fresh or tree.read(target.FOLDER / "kustomization.yaml") is not None:
        return {}
    held = {
        str(document.field("metadata", "namespace"))
        for path, (content, _) in files.items()
        if path.name.endswith("-external-secret.yaml")
        for document in documents(content)
    }
    values = _values(state, _namespaces(state, wanted), chosen)
    made = overlay_files(chosen, values, held)
    return {path: (content, _PLAIN) for path, content in made.items() if tree.read(path) is None}


def _kustomization(
    tree: Tree, state: Declared, files: Mapping[PurePosixPath, tuple[bytes, int]]
) -> dict[PurePosixPath, tuple[bytes, int]]:
    path = target.FOLDER / "kustomization.yaml"
    held = {item.path for item in (*state.stores, *state.secrets)}
    beside = [item for item in (*held, *files) if item.parent == target.FOLDER]
    names = sorted({item.name for item in beside if item.suffix == ".yaml"})
    content = tree.read(path)
    if content is None:
        return _fresh_kustomization(path, names)
    try:
        resources = anchors.find(content, "resources")
    except anchors.YamlError:
        return {}
    listed = set(resources.scalars()) if resources is not None else set()
    absent = [name for name in names if name not in listed]
    if resources is None or not absent:
        return {}
    place = anchors.append(content, resources)
    text = ", ".join(absent) if resources.flow else "\n".join(f"- {name}" for name in absent)
    return {path: (splice(content, [place.splice(text)]), _PLAIN)}


def _fresh_kustomization(
    path: PurePosixPath, names: list[str]
) -> dict[PurePosixPath, tuple[bytes, int]]:
    if not names:
        return {}
    first = [name for name in ("namespaces.yaml", "service-account.yaml") if name in names]
    ordered = [*first, *(name for name in names if name not in first)]
    return {path: (render(f"external-secrets/{path.name}.j2", {"resources": ordered}), _PLAIN)}


def _edits(
    tree: Tree, files: Mapping[PurePosixPath, tuple[bytes, int]]
) -> tuple[tuple[Edit, ...], tuple[Unresolved, ...]]:
    edits, blocked = [], []
    for path in sorted(files):
        content, mode = files[path]
        before = tree.read(path)
        if before is not None and path.name != "kustomization.yaml":
            detail = "another file stands where this one belongs"
            blocked.append(Unresolved(path=path, reason=Reason.AMBIGUOUS, detail=detail))
        elif before != content:
            edits.append(Edit(path=path, before=before, after=content, mode=mode))
    return tuple(edits), tuple(blocked)
