"""Say, without the product's own readers, which secrets of a tree arrive nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from closeout.model import Tree

_REQUIRED = re.compile(r"(?<!\$)\$\{(\w+):?\?")


def read_secrets(tree: Tree) -> list[tuple[str, str, str, str]]:
    """Return path, namespace (empty where none is written), name and key of every secretKeyRef."""
    return sorted(
        (str(path), namespace, str(item["name"]), str(item["key"]))
        for path, document in _documents(tree)
        for namespace in [_namespace(document)]
        for item in _held(document, "secretKeyRef")
    )


def unresolved(tree: Tree) -> list[tuple[str, str, str, str]]:
    """Return the secretKeyRefs that no ExternalSecret and no Secret of their namespace provides."""
    given: dict[tuple[str, str], set[str]] = {}
    places: dict[str, set[str]] = {}
    for _, document in _documents(tree):
        metadata, kind = document.get("metadata") or {}, document.get("kind")
        if kind == "ExternalSecret":
            target = document["spec"].get("target") or {}
            name = target.get("name") or metadata["name"]
            made = (target.get("template") or {}).get("data")
            keys = set(made or [row["secretKey"] for row in document["spec"]["data"]])
        elif kind == "Secret":
            name = metadata["name"]
            keys = {*(document.get("data") or {}), *(document.get("stringData") or {})}
        else:
            continue
        given.setdefault((metadata.get("namespace", ""), name), set()).update(keys)
        places.setdefault(name, set()).add(metadata.get("namespace", ""))
    return [
        need
        for need in read_secrets(tree)
        if not any(
            need[3] in given[space, need[2]]
            for space in places.get(need[2], ())
            if not need[1] or need[1] == space
        )
    ]


def shut_out(tree: Tree) -> list[str]:
    """Return the namespaces of ExternalSecrets that their ClusterSecretStore does not admit."""
    admitted: dict[str, set[str]] = {}
    for _, document in _documents(tree):
        if document.get("kind") == "ClusterSecretStore":
            rows = document["spec"].get("conditions") or []
            admitted[document["metadata"]["name"]] = {
                name for row in rows for name in row.get("namespaces") or ()
            }
    return [
        _namespace(document)
        for _, document in _documents(tree)
        if document.get("kind") == "ExternalSecret"
        and document["spec"]["secretStoreRef"].get("kind") == "ClusterSecretStore"
        and _namespace(document) not in admitted[document["spec"]["secretStoreRef"]["name"]]
    ]


def not_interpolated(tree: Tree) -> list[tuple[str, str]]:
    """Return each compose file with a variable that it requires and its example does not name."""
    found = []
    for path in tree.paths():
        if path.suffix not in {".yml", ".yaml"} or "compose" not in path.name:
            continue
        example = (tree.read(path.parent / ".env.example") or b"").decode()
        named = set(re.findall(r"(?m)^(?:export )?(\w+)=", example))
        wanted = set(_REQUIRED.findall((tree.read(path) or b"").decode("utf-8", "replace")))
        found += [(str(path), name) for name in sorted(wanted - named)]
    return found


def _namespace(document: dict[str, Any]) -> str:
    return str((document.get("metadata") or {}).get("namespace") or "")


def _documents(tree: Tree) -> Iterator[tuple[PurePosixPath, dict[str, Any]]]:
    for path in tree.paths():
        if path.suffix in {".yml", ".yaml"}:
            try:
                found = list(yaml.safe_load_all(tree.read(path) or b""))
            except (yaml.YAMLError, UnicodeDecodeError):
                continue
            yield from ((path, item) for item in found if isinstance(item, dict))


def _held(value: object, key: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get(key), dict):
            yield value[key]
        for item in value.values():
            yield from _held(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _held(item, key)
