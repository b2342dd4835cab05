"""Read what a tree's manifests declare about secrets, each document with its file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Any, TypeVar

from closeout.formats.compose import may_be_compose
from closeout.formats.manifests import Document, documents
from closeout.formats.tree_names import dns_name, project
from closeout.fs.once import once
from closeout.fs.prefilter import holds, question
from closeout.gaps.external_secrets import target
from closeout.gaps.external_secrets.chart_readers import OwnSecret, chart_reads, charts, own_secrets
from closeout.gaps.external_secrets.placement import (
    Destination,
    default_namespace,
    destinations,
    is_namespaced,
    kustomized,
)
from closeout.gaps.external_secrets.readers import Need, as_variable, is_same, reads, stem
from closeout.gaps.external_secrets.roles import alone, role_beside, roles
from closeout.model import Reason, Tree, Unresolved

Key = TypeVar("Key", bound=Hashable)

STORE_KINDS = frozenset({"ClusterSecretStore", "SecretStore"})
_GROUP = "external-secrets.io"
_MARKS = (
    *(b"external-secrets", b"ExternalSecret", b"ServiceAccount", b"Namespace", b"namespace:"),
    *(b"secretKeyRef", b"secretRef", b"secretName", b"kind: Secret", b"Kustomization"),
)
_WORKLOADS = frozenset(
    {"Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "Rollout"}
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """One document and the file it stands in; two are the same only if they are one object."""

    path: PurePosixPath
    document: Document
    within: str = ""
    """The namespace that a kustomization puts it in."""

    def field(self, *keys: str) -> Any:  # noqa: ANN401 - a manifest's field may hold any value
        """Return the value below `keys`, or None."""
        return self.document.field(*keys)

    def text(self, *keys: str) -> str:
        """Return the value below `keys` as text, empty where it is absent."""
        value = self.document.field(*keys)
        return "" if value is None else str(value)

    @property
    def name(self) -> str:
        """Return the object's name."""
        return self.text("metadata", "name")

    @property
    def namespace(self) -> str:
        """Return the object's namespace, empty where neither it nor a kustomization names one."""
        return self.within or self.text("metadata", "namespace")

    @property
    def target(self) -> str:
        """Return the name of the Secret that an ExternalSecret makes."""
        return self.text("spec", "target", "name") or self.name

    def entries(self) -> Iterator[tuple[str, int]]:
        """Yield each variable that an ExternalSecret provides, with its line."""
        rows = self.field("spec", "data")
        made = self.field("spec", "target", "template", "data")
        if isinstance(made, dict):
            for key in made:
                place = ("spec", "target", "template", "data", str(key))
                yield str(key), self.document.line_of(place)
            # Beside a template the rows are its material, unless it says that they stay.
            if self.text("spec", "target", "template", "mergePolicy") != "Merge":
                return
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            key = row.get("secretKey") if isinstance(row, dict) else None
            if key is not None:
                path = ("spec", "data", index, "secretKey")
                yield str(key), self.document.line_of(path)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Everything a tree declares that this gap looks at."""

    stores: tuple[Found, ...]
    secrets: tuple[Found, ...]
    accounts: frozenset[tuple[str, str]]
    """Name and namespace of every ServiceAccount."""
    namespaces: frozenset[str]
    """Namespaces that have a manifest of their own."""
    others: tuple[Found, ...]
    """Every document that is not the operator's own."""
    kustomizations: tuple[Found, ...]
    releases: tuple[Found, ...]
    """Objects of a deployment controller that install the operator's chart."""
    unresolved: tuple[Unresolved, ...]
    project: str
    """What the tree's names start with."""
    destinations: tuple[Destination, ...] = ()
    needs: tuple[Need, ...] = ()
    """What workloads and charts read of Secrets."""
    owned: tuple[tuple[str, OwnSecret], ...] = ()
    """The Secrets that charts make, each with its namespace."""
    shared: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The remote keys of a service's variable that are not named after it."""

    def remote_key(self, service: str, variable: str) -> str:
        """Return the key in the secret manager that holds a service's variable."""
        known = self.shared.get((service, variable))
        return known or target.remote_key(self.project, service, variable)

    def namespace_of(self, service: str) -> str:
        """Return where a service runs: as its own manifests say, else as its neighbours do."""
        for item in self.others:
            if item.path.parent.name == service and item.namespace:
                return item.namespace
        for item in self.others:
            named = item.document.kind in _WORKLOADS and is_same(item.name, service, self.project)
            if named and item.namespace:
                return item.namespace
        for need in self.needs_of(service):
            return need.namespace
        return default_namespace(service, self.project, self.used)

    def needs_of(self, service: str) -> tuple[Need, ...]:
        """Return what the workloads of a service read."""
        return tuple(self.needs[at] for at in self._readers.get(stem(service, self.project), ()))

    @cached_property
    def _readers(self) -> Mapping[str, list[int]]:
        return _places(stem(item.reader, self.project) for item in self.needs)

    @cached_property
    def _made(self) -> Mapping[tuple[str, str], list[int]]:
        return _places((item.target, item.namespace) for item in self.secrets)

    def secrets_of(self, service: str, services: frozenset[str]) -> tuple[Found, ...]:
        """Return the ExternalSecrets that are called after a service, or that its pods read."""
        places = {*_owned(self.secrets, services).get(service, ())}
        places.update(*(self._made.get(need.identity, ()) for need in self.needs_of(service)))
        return tuple(self.secrets[place] for place in sorted(places))

    @property
    def used(self) -> tuple[str, ...]:
        """Return the namespace of every workload, and those that controllers deploy to."""
        placed = [item.namespace for item in self.others if item.document.kind in _WORKLOADS]
        return tuple(filter(None, (*placed, *(item.namespace for item in self.destinations))))


_MARKED = question(
    (".yml", ".yaml"),
    lambda content: holds(content, _MARKS),
    lambda path: not may_be_compose(path),
)


@once
def declared(tree: Tree) -> Declared:
    """Return what the manifests of `tree` declare; a manifest that does not parse is unresolved."""
    found: list[Found] = []
    unresolved: list[Unresolved] = []
    for path in tree.candidates(_MARKED):
        import yaml  # noqa: PLC0415 - only trees with manifests need the parser

        content = tree.read(path) or b""
        try:
            found += [Found(path=path, document=item) for item in documents(content)]
        except yaml.YAMLError as error:
            if b"external-secrets.io/" in content and "templates" not in path.parts:
                mark = getattr(error, "problem_mark", None)
                unresolved.append(
                    Unresolved(
                        path=path,
                        reason=Reason.UNPARSABLE,
                        detail="declares external secrets and is not YAML",
                        line=mark.line + 1 if mark else 1,
                    )
                )
    within = kustomized(found)
    placed = [
        replace(item, within=within[item.path])
        if item.path in within and is_namespaced(item)
        else item
        for item in found
    ]
    return _with_readers(tree, _sorted_out(placed, tuple(unresolved), project(tree)))


def _with_readers(tree: Tree, state: Declared) -> Declared:
    needs = [need for item in state.others for need in _needs(item, state)]
    owned = []
    releases = {each.folder: each for each in reversed(state.destinations)}
    for chart in charts(tree, {folder: each.release for folder, each in releases.items()}):
        destination = releases.get(chart.folder.as_posix())
        namespace = destination.namespace if destination else ""
        namespace = namespace or state.namespace_of(chart.service)
        owned += [(namespace, each) for each in own_secrets(tree, chart)]
        needs += [replace(need, namespace=namespace) for need in chart_reads(tree, chart)]
    return replace(state, needs=_with_own_roles(tree, needs), owned=tuple(owned))


def _with_own_roles(tree: Tree, needs: list[Need]) -> tuple[Need, ...]:
    """Return the needs without the roles that several sign in with."""
    if not any(need.role for need in needs):
        return tuple(needs)
    own = alone((need.reader, need.role) for need in needs) - roles(tree)
    return tuple(need if need.role in own else replace(need, role="") for need in needs)


def _needs(item: Found, state: Declared) -> Iterator[Need]:
    if not item.document.kind or item.document.kind in {"Kustomization", "Application"}:
        return
    for steps, need in reads(item.document.value):
        yield replace(
            need,
            namespace=item.namespace or state.namespace_of(item.name),
            reader=item.name,
            path=item.path,
            line=item.document.line_of(steps),
            is_open=False,
            role=role_beside(item.document.value, need.variable or as_variable(need.key)),
        )


def _sorted_out(found: list[Found], unresolved: tuple[Unresolved, ...], called: str) -> Declared:
    ours = [item for item in found if item.text("apiVersion").startswith(f"{_GROUP}/")]
    own = {id(item): item for item in ours if item.name}
    others = {id(item) for item in ours}
    nameless = (
        Unresolved(
            path=item.path,
            reason=Reason.UNPARSABLE,
            detail="declares external secrets without a name",
            line=item.document.line,
        )
        for item in ours
        if not item.name
    )
    return Declared(
        project=called,
        destinations=destinations(found),
        stores=tuple(item for item in own.values() if item.document.kind in STORE_KINDS),
        secrets=tuple(item for item in own.values() if item.document.kind == "ExternalSecret"),
        accounts=frozenset(
            (item.name, item.namespace) for item in found if item.document.kind == "ServiceAccount"
        ),
        namespaces=frozenset(item.name for item in found if item.document.kind == "Namespace"),
        others=tuple(item for item in found if id(item) not in others),
        kustomizations=tuple(item for item in found if item.document.kind == "Kustomization"),
        releases=tuple(
            item
            for item in found
            if item.document.kind in {"Application", "HelmRelease"} and chart(item)[0] == _CHART
        ),
        unresolved=(*unresolved, *nameless),
    )


_CHART = "external-secrets"


def chart(item: Found) -> tuple[str, str]:
    """Return the chart and version that a deployment controller's object installs."""
    if item.document.kind == "Application":
        return item.text("spec", "source", "chart"), item.text("spec", "source", "targetRevision")
    spec = ("spec", "chart", "spec")
    return item.text(*spec, "chart"), item.text(*spec, "version")


@lru_cache(maxsize=4096)
@lru_cache(maxsize=4)
def _owned(secrets: tuple[Found, ...], services: frozenset[str]) -> Mapping[str, list[int]]:
    return _places(_owner(item.name, services) for item in secrets)


def _places(keys: Iterable[Key]) -> Mapping[Key, list[int]]:
    """Return the numbers of what has each key."""
    found: dict[Key, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        found[key].append(place)
    return found


def _owner(name: str, services: frozenset[str]) -> str:
    called = {dns_name(item): item for item in services}
    owners = [item for item in called if name == item or name.startswith(f"{item}-")]
    return called.get(max(owners, key=len, default=""), "")
