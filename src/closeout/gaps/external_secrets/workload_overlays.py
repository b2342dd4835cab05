"""Render overlays over the folders of workloads whose Secrets are handed over where they stand.

An environment must not read production's store, and the overlays of the platform's own folder
reach no other.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from closeout.gaps.external_secrets import target
from closeout.gaps.external_secrets.declared import Declared
from closeout.gaps.external_secrets.overlays import Namespaces
from closeout.gaps.external_secrets.settings import ENVIRONMENTS
from closeout.gaps.external_secrets.wanted import Identity
from closeout.model import Tree
from closeout.resources import render

_NAMES = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


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
            target.OVERLAYS.parent / folder.name / each.name / "kustomization.yaml": each
            for each in ENVIRONMENTS
        }
        if folder == target.FOLDER or any(
            path in files or tree.read(path) is not None for path in made
        ):
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
