"""Find what the cluster would not sync: no operator, no store, no entry for a secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.formats import compose, kustomize
from closeout.formats.compose_example import unnamed
from closeout.formats.manifests import validate
from closeout.gaps.external_secrets.charts import chart_files, unwired
from closeout.gaps.external_secrets.declared import Declared, Found, chart, declared
from closeout.gaps.external_secrets.installation import commands, is_pinned
from closeout.gaps.external_secrets.inventory import SecretVariable, inventory, services
from closeout.gaps.external_secrets.inventory.literals import literals
from closeout.gaps.external_secrets.remote_keys import Composed, remote_keys
from closeout.gaps.external_secrets.stores import account_of, allowed_namespaces
from closeout.gaps.external_secrets.target import FOLDER, NAMED
from closeout.gaps.external_secrets.wanted import missing_entries, unprovided
from closeout.model import Located, Place, Reason, Tree, Unresolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What of a tree has to do with secrets."""

    tree: Tree
    state: Declared
    named: tuple[SecretVariable, ...]
    """Every secret variable, development's too."""
    variables: tuple[SecretVariable, ...]
    """Those that production has to bring."""
    composed: tuple[Composed, ...] = ()
    """The addresses in the store that hold a password which is there by itself."""

    @property
    def services(self) -> frozenset[str]:
        """Return the services that have a secret."""
        return frozenset(item.service for item in self.variables)


def survey(tree: Tree) -> Survey:
    """Return what manifests declare, and every secret variable."""
    named, folders = inventory(tree), services(tree)
    variables = tuple(
        item
        for item in named
        if not item.is_development and (item.service in folders or not item.is_of_developers)
    )
    state = declared(tree)
    shared, composed = remote_keys(tree, state, named, variables)
    return Survey(
        tree=tree,
        state=replace(state, shared=shared),
        named=named,
        variables=variables,
        composed=composed,
    )


def installation(seen: Survey) -> Located:
    """Return what would not install the operator, once more and always alike."""
    found = tuple(commands(seen.tree))
    places = [
        Place(path=item.path, line=item.line, message=reason)
        for item in found
        for reason in item.missing
    ]
    for release in seen.state.releases:
        if not is_pinned(chart(release)[1]):
            line = release.document.line
            message = "the operator's chart is not pinned to one version"
            places.append(Place(path=release.path, line=line, message=message))
    examined = {item.path for item in found} | {item.path for item in seen.state.releases}
    if not examined:
        message = "nothing installs the External Secrets Operator"
        places.append(Place(path=FOLDER / "install.sh", message=message, named=True))
    return _located(examined, places)


def store(seen: Survey) -> Located:
    """Return what is wrong with the stores, or that there is none."""
    state = seen.state
    places = [
        Place(
            path=each.path,
            line=line,
            message=message,
            named=each.document.kind == "ClusterSecretStore",
        )
        for each in state.stores
        for line, message in _store_problems(seen.tree, state, each)
    ]
    if not state.stores:
        path = FOLDER / "cluster-secret-store.yaml"
        message = "no manifest declares a secret store"
        places.append(Place(path=path, message=message, named=True))
    return _located({item.path for item in state.stores}, places, state.unresolved)


def _store_problems(tree: Tree, state: Declared, store: Found) -> Iterator[tuple[int, str]]:
    for problem in validate(tree.read(store.path) or b""):
        if problem.subject == store.document.subject:
            yield problem.line, problem.message
    if store.document.kind == "ClusterSecretStore" and not store.field("spec", "conditions"):
        yield store.document.line_of(("spec",)), "every namespace may read this store"
    name, namespace = account_of(store)
    if name and (name, namespace) not in state.accounts:
        line = store.document.line_of(("spec", "provider"))
        yield line, f"no manifest declares the service account {namespace}/{name}"


def coverage(seen: Survey) -> Located:
    """Return the secrets without an entry, and those with more than one."""
    state, services = seen.state, seen.services
    places = [
        Place(
            path=item.places[0].path,
            line=item.places[0].line,
            message=f"{item.name} of {item.service} has no ExternalSecret entry",
            named=(item.service, item.name) in NAMED,
        )
        for item in missing_entries(state, seen.variables)
    ]
    unresolved = list(state.unresolved)
    for service in sorted(services):
        places += _doubled(service, state.secrets_of(service, services))
        unresolved += _opaque(state, service, services)
    return _located({item.path for item in state.secrets}, places, tuple(unresolved))


def _doubled(service: str, secrets: tuple[Found, ...]) -> Iterator[Place]:
    counted = Counter((item.target, variable) for item in secrets for variable, _ in item.entries())
    for item in secrets:
        for variable, line in item.entries():
            count = counted[item.target, variable]
            if count > 1:
                message = f"{variable} of {service} has {count} entries"
                yield Place(path=item.path, line=line, message=message)


def _opaque(state: Declared, service: str, services: frozenset[str]) -> tuple[Unresolved, ...]:
    return tuple(
        Unresolved(
            path=item.path,
            reason=Reason.AMBIGUOUS,
            detail=f"takes a whole remote document for {service}: its keys cannot be read here",
            line=item.document.line_of(("spec", "dataFrom")),
            hint="list the keys under spec.data, or check the synced Secret on the cluster.",
        )
        for item in state.secrets_of(service, services)
        if item.field("spec", "dataFrom")
    )


def references(seen: Survey) -> Located:
    """Return entries that no store serves, and what workloads read and nothing provides."""
    places = [
        Place(path=item.path, line=line, message=message)
        for item in seen.state.secrets
        for line, message in _secret_problems(seen.tree, seen.state, item)
    ]
    for need in unprovided(seen.state, seen.variables):
        what = f"{need.key} of the Secret" if need.key else "the Secret"
        message = f"nothing provides {what} {need.namespace}/{need.secret}"
        places.append(Place(path=need.path, line=need.line, message=message))
    made = {(item.target, item.namespace) for item in seen.state.secrets}
    for namespace, owned in seen.state.owned:
        if (owned.name, namespace) in made and not owned.gated:
            message = f"the chart makes the Secret {owned.name}, and an ExternalSecret does too"
            places.append(Place(path=owned.path, line=owned.line, message=message))
    return _located({item.path for item in seen.state.secrets}, places)


def _secret_problems(tree: Tree, state: Declared, item: Found) -> Iterator[tuple[int, str]]:
    for problem in validate(tree.read(item.path) or b""):
        if problem.subject == item.document.subject:
            yield problem.line, problem.message
    kind = item.text("spec", "secretStoreRef", "kind") or "SecretStore"
    name = item.text("spec", "secretStoreRef", "name")
    line = item.document.line_of(("spec", "secretStoreRef"))
    stores = [
        store
        for store in state.stores
        if (store.document.kind, store.name) == (kind, name)
        and store.namespace in {"", item.namespace}
    ]
    if not stores:
        yield line, f"no manifest declares the {kind} {name}"
        return
    allowed = allowed_namespaces(stores[0])
    if allowed is not None and item.namespace and item.namespace not in allowed:
        line = item.document.line_of(("metadata", "namespace"))
        yield line, f"the store {name} does not serve the namespace {item.namespace}"


def listing(seen: Survey) -> Located:
    """Return the manifests that stand beside a kustomization and that it does not apply."""
    places: list[Place] = []
    examined = set()
    for kustomization in seen.state.kustomizations:
        path = kustomization.path
        listed = kustomization.field("resources") or ()
        declaring = (*seen.state.secrets, *seen.state.stores)
        beside = {item.path.name for item in declaring if item.path.parent == path.parent}
        if not beside:
            continue
        examined.add(path)
        line = kustomization.document.line_of(("resources",))
        for name in beside - set(listed):
            message = f"{name} is not listed, so it is never applied"
            places.append(Place(path=path, line=line, message=message))
    return _located(examined, places)


def written_out(seen: Survey) -> Located:
    """Return where a secret can be read; an excerpt is its name, since a line holds its value."""
    places = [
        Place(
            path=item.path,
            line=item.line,
            message=f"{item.name} {item.form.value}, so whoever reads the tree has it",
            excerpt=item.name,
        )
        for item in literals(seen.tree, seen.named)
    ]
    examined = {place.path for item in seen.named for place in item.places}
    examined |= {item.path for item in places}
    # Where no file names a secret, each was asked whether it does.
    return _located(examined or seen.tree.paths(), places)


def examples(seen: Survey) -> Located:
    """Return what compose files require and no example names: nobody could fill it in."""
    return _located(compose.files(seen.tree), unnamed(seen.tree))


def wiring(seen: Survey) -> Located:
    """Return the charts that keep a secret from its service, or a rotation from its pods."""
    files = set(chart_files(seen.tree, seen.state, seen.variables))
    return _located(files, unwired(seen.tree, seen.state, seen.variables))


def kustomizations(seen: Survey) -> Located:
    """Return what kustomize would refuse or pass over where it builds what this gap is about."""
    examined, places = set(), []
    for path in sorted({item.path for item in seen.state.kustomizations}):
        built = kustomize.read(seen.tree, path)
        if any("external-secrets.io/" in str(item.get("apiVersion")) for item in built.objects):
            examined.add(path)
            for line, message in built.problems:
                places.append(Place(path=path, line=line, message=message))
    return _located(examined, places)


def _located(
    examined: Iterable[PurePosixPath],
    places: Iterable[Place],
    unresolved: tuple[Unresolved, ...] = (),
) -> Located:
    ordered = sorted(places, key=lambda item: (item.path, item.line, item.message))
    return Located(examined=tuple(sorted(examined)), places=tuple(ordered), unresolved=unresolved)
