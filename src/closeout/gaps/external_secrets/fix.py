"""Compute what is missing: the operator's command, its account and store, and every entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from msgspec.structs import asdict

from closeout.formats.manifests import documents
from closeout.fs.text_edit import splice
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets import target
from closeout.gaps.external_secrets.charts import annotated, gated_secrets, mended_charts
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.detect import Survey, survey
from closeout.gaps.external_secrets.fallbacks import read_from_environment
from closeout.gaps.external_secrets.handover import (
    Handover,
    elsewhere,
    handed_over,
    handovers,
)
from closeout.gaps.external_secrets.installation import commands
from closeout.gaps.external_secrets.inventory.literals import LiteralForm, literals
from closeout.gaps.external_secrets.overlays import (
    namespaces,
    overlay_files,
    workload_overlays,
)
from closeout.gaps.external_secrets.remedies.images import moved
from closeout.gaps.external_secrets.remedies.kustomizations import relisted
from closeout.gaps.external_secrets.repair import in_use, mended_commands, mended_manifests
from closeout.gaps.external_secrets.settings import (
    ENVIRONMENTS,
    Settings,
    google_account,
    is_clustered,
    settings,
)
from closeout.gaps.external_secrets.stores import account_of, store_for
from closeout.gaps.external_secrets.taught import taught
from closeout.gaps.external_secrets.wanted import Identity, WantedSecret, wanted
from closeout.gaps.external_secrets.written import unwritten
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing import yaml as anchors
from closeout.resources import render

_EXECUTABLE = 0o755
_PLAIN = 0o644


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the changesets for what is still open; nothing for a tree that is whole.

    What leaves an image or the code is handed on first: the rest is computed on files that do so.
    """
    seen = survey(tree)
    found = literals(tree, seen.named)
    first = tuple(moved(tree, seen.state, found))
    seen = _after(seen, first)
    code = read_from_environment(seen.tree, literals(seen.tree, seen.named))
    told = frozenset(item.path for item in code.unresolved)
    rest = _rest(_after(seen, (code,)), told)
    made = (*first, code, *rest, taught(tree, found, (*first, code, *rest)))
    return tuple(each for each in made if each.edits or each.unresolved)


def _after(seen: Survey, made: Collection[Changeset]) -> Survey:
    edits = [edit for each in made for edit in each.edits]
    return survey(Overlay(seen.tree, edits)) if edits else seen


def _rest(seen: Survey, told: Collection[PurePosixPath]) -> tuple[Changeset, ...]:
    """Return what is still open; of the code in `told` it is said why its fallbacks stay."""
    tree, state, variables = seen.tree, seen.state, seen.variables
    written = tuple(
        item
        for item in literals(tree, seen.named)
        if item.path not in told or item.form is not LiteralForm.FALLBACK
    )
    if not is_clustered(tree):
        return unwritten(tree, written, {})
    needed = wanted(state, variables)
    chosen = settings(tree)
    files = _entry_files(state, needed, chosen)
    handed = handovers(tree, state, variables)
    needed |= {identity: item.lacking for identity, item in handed.items()}
    values = _values(tree, seen, needed, chosen)
    files |= _platform_files(tree, state, needed, values, handed)
    mended = (*mended_commands(tree), *mended_manifests(tree, state, variables, needed))
    files |= _overlays(tree, state, files, values, handed)
    files |= _kustomization(tree, state, files)
    rendered, blocked = _edits(tree, files)
    handing = tuple(handed_over(tree, state, variables, handed, _common(None, chosen)))
    handled = {edit.path: edit.after for each in handing for edit in each.edits}
    judged = {path.parent for path in handled}
    judged |= {item.path.parent for item in (*state.stores, *state.secrets)}
    changesets = [
        *mended,
        *relisted(tree, state, judged),
        *unwritten(tree, written, handled),
        *mended_charts(tree, state, variables),
        *gated_secrets(tree, state, needed),
        *handing,
    ]
    if rendered or blocked:
        changesets.append(
            Changeset(
                name="external-secrets", edits=rendered, source=Source.TEMPLATE, unresolved=blocked
            )
        )
    return tuple(changesets)


def _entry_files(
    state: Declared, needed: Mapping[Identity, WantedSecret], chosen: Settings
) -> dict[PurePosixPath, bytes]:
    made = {(item.target, item.namespace) for item in state.secrets}
    files: dict[PurePosixPath, bytes] = {}
    for (name, namespace), lacking in needed.items():
        if (name, namespace) in made:
            continue
        called = lacking.service if name == target.secret_name(lacking.service) else name
        path = target.manifest_path(called)
        if path in files:
            path = target.manifest_path(f"{called}-{namespace}")
        store = store_for(state, namespace)
        values = _common(store, chosen) | {"name": name, "namespace": namespace}
        values |= target.entry_values(state, lacking.service, lacking.entries)
        files[path] = render("external-secrets/external-secret.yaml.j2", values)
    return files


def _common(store: Found | None, chosen: Settings) -> dict[str, object]:
    """Return what every ExternalSecret says that reads from a store, ours where there is none."""
    return {
        "api_version": chosen.api_version,
        "provider": _provider(store, chosen),
        "refresh": chosen.refresh,
        "store_kind": store.document.kind if store else "ClusterSecretStore",
        "store": store.name if store else chosen.store,
        "kept": {},
    }


def _platform_files(
    tree: Tree,
    state: Declared,
    needed: Mapping[Identity, WantedSecret],
    common: Mapping[str, object],
    handed: Mapping[Identity, Handover],
) -> dict[PurePosixPath, bytes]:
    values = {**common, "others": elsewhere(state, handed, str(common["store"]))}
    names = []
    if _lacks_store(state, needed):
        names.append("cluster-secret-store.yaml")
        if values["undeclared"]:
            names.append("namespaces.yaml")
    signs_in = _lacks_store(state, needed) or any(account_of(item)[0] for item in state.stores)
    account = (values["account"], values["account_namespace"])
    if signs_in and account not in state.accounts:
        names.append("service-account.yaml")
    if not state.releases and not any(True for _ in commands(tree)):
        names += ["bind-identity.sh", "create-remote-secrets.sh", "install.sh", "roll-out.sh"]
    return {target.FOLDER / name: render(f"external-secrets/{name}.j2", values) for name in names}


def _lacks_store(state: Declared, needed: Mapping[Identity, WantedSecret]) -> bool:
    """Return whether a namespace has no store: one of another namespace is none for it."""
    return not state.stores or any(store_for(state, place) is None for _, place in needed)


def _values(
    tree: Tree,
    seen: Survey,
    needed: Mapping[Identity, WantedSecret],
    chosen: Settings,
) -> dict[str, object]:
    state, variables = seen.state, seen.variables
    named = [account_of(store) for store in state.stores]
    account, place = next(
        (each for each in named if each[0]), (target.ACCOUNT, target.ACCOUNT_NAMESPACE)
    )
    shared = (item.name for item in state.stores if item.document.kind != "SecretStore")
    store = next(shared, chosen.store)
    namespaces = in_use(state, needed) or [state.namespace_of("")]
    return asdict(chosen) | {
        "store": store,
        "environments": [{"name": each.name, "store": each.of(store)} for each in ENVIRONMENTS],
        "overlays": target.OVERLAYS.relative_to(target.FOLDER.parent),
        "prefix": target.prefix(state.project),
        "google_account": google_account(chosen.project),
        "account": account,
        "account_namespace": place,
        "namespaces": namespaces,
        "undeclared": sorted({*namespaces, place} - state.namespaces),
        "made_elsewhere": sorted(_makers(state, namespaces)),
        "annotated": annotated(tree, state, variables),
        "composed": seen.composed,
    }


def _makers(state: Declared, namespaces: Iterable[str]) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield those namespaces that another file of the tree makes, and which one."""
    wanted = frozenset(namespaces)
    for item in state.others:
        is_wanted = item.document.kind == "Namespace" and item.name in wanted
        if is_wanted and target.FOLDER not in item.path.parents:
            yield item.name, item.path


def _provider(store: Found | None, chosen: Settings) -> str:
    """Return where entries are read from: a store that is there already decides."""
    held = store.field("spec", "provider") if store else None
    return next(iter(held)) if isinstance(held, dict) and held else chosen.provider


def _overlays(
    tree: Tree,
    state: Declared,
    files: Mapping[PurePosixPath, bytes],
    values: Mapping[str, object],
    handed: Mapping[Identity, Handover],
) -> dict[PurePosixPath, bytes]:
    """Return the overlays over a folder that is made now; another one has its owner's."""
    fresh = target.FOLDER / "cluster-secret-store.yaml" in files
    if not fresh or tree.read(target.FOLDER / "kustomization.yaml") is not None:
        return {}
    held = {
        str(document.field("metadata", "namespace"))
        for path, content in files.items()
        if path.name.endswith(target.SUFFIX)
        for document in documents(content)
    }
    ours = {
        identity: item.found.path
        for identity, item in handed.items()
        if store_for(state, identity[1]) is None
    }
    placed = namespaces(state)
    beside, unreached = workload_overlays(tree, state, ours, str(values["store"]), placed)
    told = {**values, "unreached": unreached}
    made = {**overlay_files(settings(tree), told, held, placed), **beside}
    return {path: content for path, content in made.items() if tree.read(path) is None}


def _kustomization(
    tree: Tree, state: Declared, files: Mapping[PurePosixPath, bytes]
) -> dict[PurePosixPath, bytes]:
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
    return {path: splice(content, [place.splice(text)])}


def _fresh_kustomization(path: PurePosixPath, names: list[str]) -> dict[PurePosixPath, bytes]:
    if not names:
        return {}
    first = [name for name in ("namespaces.yaml", "service-account.yaml") if name in names]
    ordered = [*first, *(name for name in names if name not in first)]
    return {path: render(f"external-secrets/{path.name}.j2", {"resources": ordered})}


def _edits(
    tree: Tree, files: Mapping[PurePosixPath, bytes]
) -> tuple[tuple[Edit, ...], tuple[Unresolved, ...]]:
    edits, blocked = [], []
    for path in sorted(files):
        before, content = tree.read(path), files[path]
        if before is not None and path.name != "kustomization.yaml":
            detail = "another file stands where this one belongs"
            blocked.append(Unresolved(path=path, reason=Reason.AMBIGUOUS, detail=detail))
        elif before != content:
            mode = _EXECUTABLE if path.suffix == ".sh" else _PLAIN
            edits.append(Edit(path=path, before=before, after=content, mode=mode))
    return tuple(edits), tuple(blocked)
