"""Say where workloads run: as manifests, kustomizations and deployment controllers have it."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.formats.tree_names import ORDERS_PROJECT
from closeout.gaps.external_secrets.target import CLOUD_NAMESPACE

if TYPE_CHECKING:
    from closeout.gaps.external_secrets.declared import Found

_PRODUCTION = frozenset({"prod", "production", "prd", "live"})
_OTHERS = frozenset(
    {"dev", "development", "staging", "stage", "test", "testing", "qa", "uat", "local"}
)
_CLUSTER_WIDE = re.compile(
    r"Namespace|Cluster\w+|PersistentVolume|StorageClass|CustomResource\w+|\w+WebhookConfiguration"
)
_TOOLS = frozenset({"argocd", "flux-system", "kube-system", "default", "external-secrets"})
"""Namespaces of what runs a cluster, not of what runs on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a deployment controller puts what stands in a folder of the tree."""

    folder: str
    namespace: str
    release: str
    is_rendered: bool = False
    """Whether it renders a chart without asking the cluster, so that a lookup finds nothing."""


def destinations(found: Iterable[Found]) -> tuple[Destination, ...]:
    """Return the folders that deployment controllers deploy, production first."""
    made = [each for item in found for each in _of(item)]
    return tuple(
        sorted(made, key=lambda each: (_rank(f"{each.release}-{each.namespace}"), each.release))
    )


def _of(item: Found) -> Iterator[Destination]:
    if item.document.kind == "Application":
        listed = item.field("spec", "sources")
        sources = listed if isinstance(listed, list) else [item.field("spec", "source")]
        for source in sources:
            if isinstance(source, dict) and source.get("path"):
                helm = source.get("helm")
                named = helm.get("releaseName") if isinstance(helm, dict) else None
                yield Destination(
                    folder=_plain(str(source["path"])),
                    namespace=item.text("spec", "destination", "namespace"),
                    release=str(named or item.name),
                    is_rendered=True,
                )
    if item.document.kind == "HelmRelease":
        yield Destination(
            folder=_plain(item.text("spec", "chart", "spec", "chart")),
            namespace=item.text("spec", "targetNamespace") or item.text("metadata", "namespace"),
            release=item.text("spec", "releaseName") or item.name,
        )


def _plain(path: str) -> str:
    return posixpath.normpath(path).lstrip("/") if path else ""


def production(namespaces: Iterable[str]) -> str:
    """Return the namespace of production among some, the first of those that say nothing else."""
    return min(sorted(set(namespaces)), key=_rank, default="")


def _rank(name: str) -> int:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if words & _PRODUCTION:
        return 0
    return 2 if words & _OTHERS else 1


def kustomized(found: Iterable[Found]) -> Mapping[PurePosixPath, str]:
    """Return the namespace that kustomizations give to the objects of a file, production's."""
    by_folder = {item.path.parent: item for item in found if item.document.kind == "Kustomization"}
    given: dict[PurePosixPath, set[str]] = defaultdict(set)
    for item in by_folder.values():
        if namespace := item.text("namespace"):
            for path in _files(item, by_folder, frozenset()):
                given[path].add(namespace)
    return {path: production(names) for path, names in given.items()}


def _files(
    item: Found, by_folder: Mapping[PurePosixPath, Found], seen: frozenset[PurePosixPath]
) -> Iterator[PurePosixPath]:
    listed = [*(item.field("resources") or ()), *(item.field("bases") or ())]
    for name in listed:
        path = PurePosixPath(posixpath.normpath(f"{item.path.parent}/{name}"))
        inner = by_folder.get(path)
        if inner is None:
            yield path
        elif path not in seen:
            yield from _files(inner, by_folder, seen | {path})


def is_namespaced(item: Found) -> bool:
    """Return whether an object stands in a namespace at all."""
    return not _CLUSTER_WIDE.fullmatch(item.document.kind)


def default_namespace(service: str, project: str, used: Iterable[str]) -> str:
    """Return where a service runs of which no manifest says it: as its neighbours do."""
    counted = Counter(name for name in used if name not in _TOOLS)
    layer = "edge" if service.startswith("edge-") else "cloud"
    is_layered = service.startswith((f"{layer}-",)) or project == ORDERS_PROJECT
    alike = [name for name in counted if layer in name.split("-")]
    if is_layered and alike:
        return production(alike)
    if layer == "edge" and is_layered:
        return f"{project}-edge"
    if is_layered:
        return CLOUD_NAMESPACE.replace(ORDERS_PROJECT, project, 1)
    most = [name for name, count in counted.items() if count == max(counted.values())]
    return production(most) or project
