"""Read what a tree's manifests declare about secrets, each document with its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from closeout.formats.compose import may_be_compose
from closeout.formats.manifests import Document, documents
from closeout.fs.prefilter import holds, question
from closeout.gaps.external_secrets.target import CLOUD_NAMESPACE, EDGE_NAMESPACE
from closeout.model import Reason, Tree, Unresolved

STORE_KINDS = frozenset({"ClusterSecretStore", "SecretStore"})
_GROUP = "external-secrets.io"
_MARKS = (b"external-secrets", b"ExternalSecret", b"ServiceAccount", b"Namespace", b"namespace:")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """One document and the file it stands in; two are the same only if they are one object."""

    path: PurePosixPath
    document: Document

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
        """Return the object's namespace, empty where it names none."""
        return self.text("metadata", "namespace")

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
            return
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            key = row.get("secretKey") if isinstance(row, dict) else None
            if key is not None:
                path = ("spec", "data", index, "secretKey")
                yield str(key), self.document.line_of(path)


@dataclass(frozen=True, slots=True, kw_only=True)
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

    def namespace_of(self, service: str) -> str:
        """Return where a service runs: as its own manifests say, else its layer's namespace."""
        for item in self.others:
            if item.path.parent.name == service and item.namespace:
                return item.namespace
        return EDGE_NAMESPACE if service.startswith("edge-") else CLOUD_NAMESPACE

    def secrets_of(self, service: str, services: frozenset[str]) -> tuple[Found, ...]:
        """Return the ExternalSecrets that are called after a service."""
        return tuple(item for item in self.secrets if _owner(item.name, services) == service)


_MARKED = question(
    (".yml", ".yaml"),
    lambda content: holds(content, _MARKS),
    lambda path: not may_be_compose(path),
)


def declared(tree: Tree) -> Declared:
    """Return what the manifests of `tree` declare; a manifest that does not parse is unresolved."""
    marked = tree.candidates(_MARKED)
    if not marked:
        return _sorted_out([], ())
    import yaml  # noqa: PLC0415 - only trees with manifests need the parser

    found: list[Found] = []
    unresolved: list[Unresolved] = []
    for path in marked:
        content = tree.read(path) or b""
        try:
            found += [Found(path=path, document=item) for item in documents(content)]
        except yaml.YAMLError as error:
            if b"external-secrets.io/" in content:
                mark = getattr(error, "problem_mark", None)
                unresolved.append(
                    Unresolved(
                        path=path,
                        reason=Reason.UNPARSABLE,
                        detail="declares external secrets and is not YAML",
                        line=mark.line + 1 if mark else 1,
                    )
                )
    return _sorted_out(found, tuple(unresolved))


def _sorted_out(found: list[Found], unresolved: tuple[Unresolved, ...]) -> Declared:
    ours = [item for item in found if item.text("apiVersion").startswith(f"{_GROUP}/")]
    own = [item for item in ours if item.name]
    nameless = tuple(_without_name(item) for item in ours if not item.name)
    return Declared(
        stores=tuple(item for item in own if item.document.kind in STORE_KINDS),
        secrets=tuple(item for item in own if item.document.kind == "ExternalSecret"),
        accounts=frozenset(
            (item.name, item.namespace) for item in found if item.document.kind == "ServiceAccount"
        ),
        namespaces=frozenset(item.name for item in found if item.document.kind == "Namespace"),
        others=tuple(item for item in found if item not in ours),
        kustomizations=tuple(item for item in found if item.document.kind == "Kustomization"),
        releases=tuple(
            item
            for item in found
            if item.document.kind in {"Application", "HelmRelease"} and chart(item)[0] == _CHART
        ),
        unresolved=(*unresolved, *nameless),
    )


def _without_name(item: Found) -> Unresolved:
    return Unresolved(
        path=item.path,
        reason=Reason.UNPARSABLE,
        detail="declares external secrets without a name",
        line=item.document.line,
    )


_CHART = "external-secrets"


def chart(item: Found) -> tuple[str, str]:
    """Return the chart and version that a deployment controller's object installs."""
    if item.document.kind == "Application":
        return item.text("spec", "source", "chart"), item.text("spec", "source", "targetRevision")
    spec = ("spec", "chart", "spec")
    return item.text(*spec, "chart"), item.text(*spec, "version")


def _owner(name: str, services: frozenset[str]) -> str:
    owners = [item for item in services if name == item or name.startswith(f"{item}-")]
    return max(owners, key=len, default="")
