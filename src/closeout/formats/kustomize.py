"""Read kustomizations strictly: what they name has to exist, what they patch has to be there.

Kustomize itself passes over a patch whose target matches nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from closeout.formats.manifests import Document, documents, documents_at
from closeout.model import Tree

_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a kustomization gives, and what is wrong with its own file."""

    objects: tuple[dict[str, Any], ...]
    """Its objects, those of kustomizations it names included, with its patches applied."""
    problems: tuple[tuple[int, str], ...]
    """Line and message of everything that kustomize would refuse or pass over."""


def read(tree: Tree, path: PurePosixPath) -> Built:
    """Return what the kustomization in the file `path` gives.

    Addresses of other repositories are left alone, and so are patches that are merged.
    """
    return _read(tree, path, frozenset({path}))


def _read(tree: Tree, path: PurePosixPath, seen: frozenset[PurePosixPath]) -> Built:
    kustomization = next(iter(documents_at(tree, path)), None)
    if kustomization is None:
        return Built(objects=(), problems=((1, "it is empty, or no YAML"),))
    objects: list[dict[str, Any]] = []
    problems: list[tuple[int, str]] = []
    for index, name in enumerate(_list(kustomization, "resources")):
        line = kustomization.line_of(("resources", index))
        if "://" in str(name) or str(name).startswith("github.com/"):
            continue
        place = _joined(path.parent, str(name))
        inner = _kustomization_in(tree, place) if place is not None else None
        if inner in seen:
            problems.append((line, f"{name} leads back to itself"))
        elif inner is not None:
            objects += _read(tree, inner, seen | {inner}).objects
        elif place is not None and tree.read(place) is not None:
            objects += [copy.deepcopy(item.value) for item in documents_at(tree, place)]
        else:
            problems.append((line, f"{name} is listed, and neither manifest nor kustomization"))
    objects = [item for item in objects if isinstance(item, dict)]
    for index, patch in enumerate(_list(kustomization, "patches")):
        line = kustomization.line_of(("patches", index))
        problems += [(line, message) for message in _patched(tree, path, patch, objects)]
    return Built(objects=tuple(objects), problems=tuple(sorted(problems)))


def _patched(
    tree: Tree, path: PurePosixPath, patch: object, objects: list[dict[str, Any]]
) -> Iterator[str]:
    if not isinstance(patch, dict):
        return
    text = patch.get("patch")
    if text is None:
        place = _joined(path.parent, str(patch.get("path")))
        content = tree.read(place) if place is not None else None
        if content is None:
            yield f"the patch {patch.get('path')} does not exist"
            return
        text = content.decode("utf-8", "replace")
    import yaml  # noqa: PLC0415 - only trees with manifests need the parser

    try:
        operations = [item.value for item in documents(str(text).encode())]
    except yaml.YAMLError:
        yield f"the patch {patch.get('path') or 'in it'} is no YAML"
        return
    target = patch.get("target") or _identity(operations[0] if operations else None)
    matched = [item for item in objects if _matches(item, target)]
    if not matched:
        yield f"no object is the target {' '.join(map(str, target.values()))}"
    for item in matched:
        for operation in operations[0] if operations and isinstance(operations[0], list) else ():
            yield from _operated(item, operation)


def _identity(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {}
    metadata = value.get("metadata") or {}
    given = {"kind": value.get("kind"), **{key: metadata.get(key) for key in ("name", "namespace")}}
    return {key: item for key, item in given.items() if item}


def _matches(item: dict[str, Any], target: dict[str, Any]) -> bool:
    group, _, version = str(item.get("apiVersion", "")).rpartition("/")
    metadata = item.get("metadata") or {}
    own = {"group": group, "version": version, "kind": item.get("kind")}
    own |= {"name": metadata.get("name"), "namespace": metadata.get("namespace")}
    return all(own[key] == value for key, value in target.items() if key in own)


def _operated(item: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    steps = [
        step.replace("~1", "/").replace("~0", "~")
        for step in str(operation.get("path", "")).split("/")[1:]
    ]
    holder: Any = item
    try:
        for step in steps[:-1]:
            holder = holder[int(step) if isinstance(holder, list) else step]
        last: Any = int(steps[-1]) if isinstance(holder, list) else steps[-1]
        if operation.get("op") in {"replace", "remove"}:
            holder[last]
        if operation.get("op") == "remove":
            del holder[last]
        else:
            holder[last] = copy.deepcopy(operation.get("value"))
    except (KeyError, IndexError, TypeError, ValueError):
        name = (item.get("metadata") or {}).get("name")
        yield f"{item.get('kind')} {name} has no {operation.get('path')} to {operation.get('op')}"


def _kustomization_in(tree: Tree, folder: PurePosixPath) -> PurePosixPath | None:
    return next((folder / name for name in _NAMES if tree.read(folder / name) is not None), None)


def _joined(folder: PurePosixPath, name: str) -> PurePosixPath | None:
    """Return the path that `name` means, or None where it leaves the tree."""
    parts = list(folder.parts)
    for part in PurePosixPath(name).parts:
        if part == ".." and not parts:
            return None
        parts = parts[:-1] if part == ".." else [*parts, part]
    return PurePosixPath(*parts) if not name.startswith("/") else None


def _list(document: Document, key: str) -> list[Any]:
    held = document.field(key)
    return held if isinstance(held, list) else []
