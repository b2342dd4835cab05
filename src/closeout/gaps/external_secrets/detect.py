"""Find what the cluster would not sync: no operator, no store, no entry for a secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from closeout.formats import kustomize
from closeout.formats.manifests import validate
from closeout.gaps.external_secrets.charts import chart_files, unwired
from closeout.gaps.external_secrets.consumers import unprovided
from closeout.gaps.external_secrets.declared import Declared, Found, chart, declared
from closeout.gaps.external_secrets.findings import check, finding
from closeout.gaps.external_secrets.installation import commands, is_pinned
from closeout.gaps.external_secrets.inventory import SecretVariable, inventory
from closeout.gaps.external_secrets.inventory.literals import literals
from closeout.gaps.external_secrets.target import FOLDER, NAMED
from closeout.model import Check, Finding, Reason, Tree, Unresolved


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return the checks of installation, store, entries, references and written-out secrets."""
    state = declared(tree)
    variables = inventory(tree)
    return (
        _installation(tree, state),
        _store(tree, state),
        _coverage(tree, state, variables),
        _references(tree, state),
        _listing(tree, state),
        _literals(tree, variables),
        _wiring(tree, variables),
        _kustomizations(tree, state),
    )


def missing_entries(
    state: Declared, variables: Iterable[SecretVariable]
) -> tuple[SecretVariable, ...]:
    """Return the variables that no ExternalSecret of their service provides.

    A service whose ExternalSecret takes a whole remote document is left out: what it provides
    cannot be read from the manifest.
    """
    known = tuple(variables)
    services = frozenset(item.service for item in known)
    provided = {
        (service, variable)
        for service in services
        for found in state.secrets_of(service, services)
        for variable, _ in found.entries()
    }
    opaque = {item.service for item in known if _opaque(state, item.service, services)}
    return tuple(
        item
        for item in known
        if (item.service, item.name) not in provided and item.service not in opaque
    )


def account_of(store: Found) -> tuple[str, str]:
    """Return name and namespace of the account a store signs in with; empty where it has none."""
    provider = store.field("spec", "provider")
    waiting: list[object] = [provider]
    while waiting:
        value = waiting.pop()
        if not isinstance(value, dict):
            continue
        reference = value.get("serviceAccountRef")
        if isinstance(reference, dict):
            namespace = reference.get("namespace") or store.namespace
            return str(reference.get("name") or ""), str(namespace)
        waiting += value.values()
    return "", ""


def allowed_namespaces(store: Found) -> frozenset[str] | None:
    """Return the namespaces a store serves, or None where that is more than a list."""
    conditions = store.field("spec", "conditions")
    if store.document.kind == "SecretStore":
        return frozenset({store.namespace})
    if not isinstance(conditions, list) or not conditions:
        return None
    names: set[str] = set()
    for item in conditions:
        if not isinstance(item, dict) or set(item) != {"namespaces"}:
            return None
        names.update(str(name) for name in item["namespaces"] or ())
    return frozenset(names)


def _installation(tree: Tree, state: Declared) -> Check:
    found = tuple(commands(tree))
    findings = [
        finding(tree, "installation", "10.1", item.path, item.line, reason)
        for item in found
        for reason in item.missing
    ]
    for release in state.releases:
        if not is_pinned(chart(release)[1]):
            line = release.document.line
            message = "the operator's chart is not pinned to one version"
            findings.append(finding(tree, "installation", "10.1", release.path, line, message))
    examined = {item.path for item in found} | {item.path for item in state.releases}
    if not examined:
        message = "nothing installs the External Secrets Operator"
        path = FOLDER / "install.sh"
        findings.append(finding(tree, "installation", "10.1", path, 1, message, named=True))
    return check("installation", "10.1", examined, findings)


def _store(tree: Tree, state: Declared) -> Check:
    findings = []
    for store in state.stores:
        for line, message in _store_problems(tree, state, store):
            named = store.document.kind == "ClusterSecretStore"
            findings.append(finding(tree, "store", "10.2", store.path, line, message, named=named))
    if not state.stores:
        path = FOLDER / "cluster-secret-store.yaml"
        message = "no manifest declares a secret store"
        findings.append(finding(tree, "store", "10.2", path, 1, message, named=True))
    examined = {item.path for item in state.stores}
    return check("store", "10.2", examined, findings, state.unresolved)


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


def _coverage(tree: Tree, state: Declared, variables: tuple[SecretVariable, ...]) -> Check:
    services = frozenset(item.service for item in variables)
    findings = []
    for item in missing_entries(state, variables):
        place = item.places[0]
        message = f"{item.name} of {item.service} has no ExternalSecret entry"
        named = (item.service, item.name) in NAMED
        findings.append(
            finding(tree, "coverage", "10.3", place.path, place.line, message, named=named)
        )
    unresolved = list(state.unresolved)
    for service in sorted(services):
        findings += _doubled(tree, service, state.secrets_of(service, services))
        unresolved += _opaque(state, service, services)
    examined = {item.path for item in state.secrets}
    return check("coverage", "10.3", examined, findings, tuple(unresolved))


def _doubled(tree: Tree, service: str, secrets: tuple[Found, ...]) -> Iterator[Finding]:
    counted = Counter((item.target, variable) for item in secrets for variable, _ in item.entries())
    for item in secrets:
        for variable, line in item.entries():
            count = counted[item.target, variable]
            if count > 1:
                message = f"{variable} of {service} has {count} entries"
                yield finding(tree, "coverage", "10.3", item.path, line, message)


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


def _references(tree: Tree, state: Declared) -> Check:
    findings = []
    for item in state.secrets:
        for line, message in _secret_problems(tree, state, item):
            findings.append(finding(tree, "references", "10.3", item.path, line, message))
    for need in unprovided(state):
        message = f"nothing provides {need.key} of the Secret {need.namespace}/{need.secret}"
        path = need.reader.path
        findings.append(finding(tree, "references", "10.3", path, need.line, message))
    return check("references", "10.3", {item.path for item in state.secrets}, findings)


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
    if allowed is not None and item.namespace not in allowed:
        line = item.document.line_of(("metadata", "namespace"))
        yield line, f"the store {name} does not serve the namespace {item.namespace}"


def _listing(tree: Tree, state: Declared) -> Check:
    findings = []
    examined = set()
    for kustomization in state.kustomizations:
        folder = kustomization.path.parent
        listed = kustomization.field("resources") or ()
        beside = [item for item in (*state.secrets, *state.stores) if item.path.parent == folder]
        if not beside:
            continue
        examined.add(kustomization.path)
        line = kustomization.document.line_of(("resources",))
        for name in sorted({item.path.name for item in beside} - set(listed)):
            message = f"{name} is not listed, so it is never applied"
            findings.append(finding(tree, "listing", "10.3", kustomization.path, line, message))
    return check("listing", "10.3", examined, findings)


def _literals(tree: Tree, variables: tuple[SecretVariable, ...]) -> Check:
    """Return where a secret can be read; an excerpt is its name, since a line holds its value."""
    findings = [
        Finding(
            gap="external-secrets",
            rule="external-secrets.literals",
            criterion="10.3",
            path=item.path,
            line=item.line,
            message=f"{item.name} {item.form.value}, so whoever reads the tree has it",
            excerpt=item.name,
            named=False,
        )
        for item in literals(tree, variables)
    ]
    examined = {place.path for item in variables for place in item.places}
    return check("literals", "10.3", examined | {item.path for item in findings}, findings)


def _wiring(tree: Tree, variables: tuple[SecretVariable, ...]) -> Check:
    found = tuple(unwired(tree, variables))
    findings = [
        finding(tree, "wiring", "10.3", item.path, item.line, item.problem) for item in found
    ]
    return check("wiring", "10.3", {*chart_files(tree, variables)}, findings)


def _kustomizations(tree: Tree, state: Declared) -> Check:
    """Return what kustomize would refuse or pass over where it builds what this gap is about."""
    examined, findings = set(), []
    for path in sorted({item.path for item in state.kustomizations}):
        built = kustomize.read(tree, path)
        if any("external-secrets.io/" in str(item.get("apiVersion")) for item in built.objects):
            examined.add(path)
            for line, message in built.problems:
                findings.append(finding(tree, "kustomizations", "10.3", path, line, message))
    return check("kustomizations", "10.3", examined, findings)
