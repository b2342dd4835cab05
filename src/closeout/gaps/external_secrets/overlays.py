"""Render one overlay an environment over the folder that describes production.

Workloads whose Secrets are handed over where they stand have overlays over their own folders: an
environment must not read production's store, and those of the platform's folder reach no other.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.gaps.external_secrets.declared import Declared
from closeout.gaps.external_secrets.settings import (
    ENVIRONMENTS,
    Environment,
    Settings,
    google_account,
)
from closeout.gaps.external_secrets.target import FOLDER, OVERLAYS
from closeout.gaps.external_secrets.wanted import Identity
from closeout.model import Tree
from closeout.resources import render

_TEMPLATE = "external-secrets/overlay.yaml.j2"
_NAMES = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """The namespaces of a tree: which it has, and which it fills itself."""

    named: frozenset[str]
    """A manifest makes it, or something is deployed to it."""
    filled: frozenset[str]
    """A manifest makes it, or puts a workload there that reads a Secret."""

    def of(self, name: str, environment: Environment) -> str:
        """Return the namespace of an environment: the same where the tree fills no other.

        A workload does not follow its secrets into a namespace that an overlay thinks up.
        """
        other = environment.of(name)
        if "prod" in name.split("-") or other in self.named or name not in self.filled:
            return other
        return name


def namespaces(state: Declared) -> Namespaces:
    """Return the namespaces of a tree."""
    workloads = {item.path for item in state.others}
    read = {item.namespace for item in state.needs if item.path in workloads}
    return Namespaces(
        named=state.namespaces | frozenset(state.used), filled=state.namespaces | read
    )


def overlay_files(
    chosen: Settings, values: Mapping[str, object], held: Iterable[str], placed: Namespaces
) -> dict[PurePosixPath, bytes]:
    """Return the overlays by path; `held` are the namespaces that hold an ExternalSecret."""
    rendered = {"production": render(_TEMPLATE, {"name": "production", "unreached": ()})}
    for environment in ENVIRONMENTS:
        rendered[environment.name] = _overlay(environment, chosen, values, held, placed)
    return {OVERLAYS / name / "kustomization.yaml": content for name, content in rendered.items()}


def _overlay(
    environment: Environment,
    chosen: Settings,
    values: Mapping[str, object],
    held: Iterable[str],
    placed: Namespaces,
) -> bytes:
    def pairs(names: object) -> list[dict[str, str]]:
        listed = names if isinstance(names, list) else []
        return [{"before": name, "after": placed.of(name, environment)} for name in listed]

    made = [
        each
        for each in pairs(values["undeclared"])
        if values["account_namespace"] != each["before"] != each["after"]
    ]
    project = environment.of(chosen.project)
    return render(
        _TEMPLATE,
        {
            "name": environment.name,
            "provider": chosen.provider,
            "store": {"before": values["store"], "after": environment.of(str(values["store"]))},
            "namespaces": pairs(values["namespaces"]),
            "undeclared": made,
            "held": pairs(sorted(held)),
            "project": project,
            "cluster": environment.of(chosen.cluster) if chosen.cluster else "",
            "vault_path": environment.of(chosen.vault_path),
            "account": values["account"],
            "google_account": google_account(project),
            "refresh": environment.refresh,
            "unreached": values.get("unreached", ()),
        },
    )


def workload_overlays(
    tree: Tree,
    state: Declared,
    handed: Mapping[Identity, PurePosixPath],
    store: str,
    placed: Namespaces,
) -> tuple[Mapping[PurePosixPath, bytes], tuple[PurePosixPath, ...]]:
    """Return the overlays over the files of `handed`, and the files that no overlay reaches.

    A file is left to its owner where no kustomization beside it builds it, another one builds on
    that, or an environment moves what stands in it: workloads follow no ExternalSecret.
    """
    by_folder: dict[PurePosixPath, list[Identity]] = defaultdict(list)
    unreached = set()
    for identity, path in sorted(handed.items()):
        stays = all(placed.of(identity[1], each) == identity[1] for each in ENVIRONMENTS)
        if stays and _is_built_alone(state, path):
            by_folder[path.parent].append(identity)
        else:
            unreached.add(path)
    files: dict[PurePosixPath, bytes] = {}
    for folder, held in by_folder.items():
        made = {
            OVERLAYS.parent / folder.name / each.name / "kustomization.yaml": each
            for each in ENVIRONMENTS
        }
        if folder == FOLDER or any(path in files or tree.read(path) is not None for path in made):
            unreached |= {handed[identity] for identity in held}
            continue
        for path, environment in made.items():
            values = {
                "base": posixpath.relpath(str(folder), str(path.parent)),
                "names": [name for name, _ in held],
                "refresh": environment.refresh,
                "store": environment.of(store),
            }
            files[path] = render("external-secrets/workload-overlay.yaml.j2", values)
    return files, tuple(sorted(unreached))


def _is_built_alone(state: Declared, path: PurePosixPath) -> bool:
    """Return whether the kustomization beside a file builds it, and no other builds on that."""
    beside = [
        item
        for item in state.kustomizations
        if item.path.parent == path.parent and item.path.name in _NAMES
    ]
    built = any(path.name in _listed(item.field("resources")) for item in beside)
    above = {
        posixpath.normpath(f"{item.path.parent}/{name}")
        for item in state.kustomizations
        for key in ("resources", "bases")
        for name in _listed(item.field(key))
    }
    return built and str(path.parent) not in above


def _listed(value: object) -> Iterable[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
