"""Say, without the product's own readers, which secrets of a tree arrive nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from closeout.model import Tree

_REQUIRED = re.compile(r"(?<!\$)\$\{(\w+):?\?")
_DEMANDED = re.compile(r"(?:requiredSecret\(\s*['\"]|environ\[['\"])(\w+)['\"]|(ALLOWED_ORIGINS)\b")


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


_EXAMPLES = ("example", "sample", "template", "dist")


def not_interpolated(tree: Tree) -> list[tuple[str, str]]:
    """Return each compose file with a variable that it requires and its example does not name."""
    found = []
    for path in tree.paths():
        if path.suffix not in {".yml", ".yaml"} or "compose" not in path.name:
            continue
        held = (tree.read(path.parent / f".env.{name}") for name in _EXAMPLES)
        example = next((each for each in held if each is not None), b"").decode()
        named = set(re.findall(r"(?m)^(?:export )?(\w+)=", example))
        wanted = set(_REQUIRED.findall((tree.read(path) or b"").decode("utf-8", "replace")))
        found += [(str(path), name) for name in sorted(wanted - named)]
    return found


def not_handed_on(tree: Tree, services: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return what fixed code does not start without and a compose file does not hand on.

    `services` says, by the name that compose files use, which folder each one runs.
    """
    found = []
    for path in tree.paths():
        if path.suffix not in {".yml", ".yaml"} or "compose" not in path.name:
            continue
        held = (yaml.safe_load(tree.read(path) or b"") or {}).get("services") or {}
        for name, service in held.items():
            given = json.dumps(service.get("environment") or {})
            for file in [service.get("env_file") or []]:
                names = [file] if isinstance(file, str) else file
                given += "".join(
                    (tree.read(path.parent / f"{each}.example") or b"").decode() for each in names
                )
            wanted = demanded(tree, services[name]) if name in services else set()
            found += [(str(path), name, each) for each in sorted(wanted) if each not in given]
    return found


def demanded(tree: Tree, folder: str) -> set[str]:
    """Return the variables without which the code in a folder does not start in production."""
    texts = [
        (tree.read(path) or b"").decode("utf-8", "replace")
        for path in tree.paths()
        if path.is_relative_to(folder) and path.suffix in {".py", ".js", ".ts"}
    ]
    return {one or other for text in texts for one, other in _DEMANDED.findall(text)}


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
