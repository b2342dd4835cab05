"""Say what a tree calls itself, so that what is rendered into it carries its names.

The order's own project names its clusters, accounts and namespaces after itself. Those names go
only where they are at home.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from functools import lru_cache
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.declarations import names
from closeout.fs import json_reader
from closeout.fs.once import once
from closeout.fs.prefilter import holds_in_any_case, matches, question
from closeout.model import Tree
from closeout.parsing.yaml import YamlError, find

ORDERS_PROJECT = "farmiq"
UNNAMED = "platform"
_MARK = ORDERS_PROJECT.encode()
_OURS = b"Rendered from templates/"
_SETTINGS = (".yml", ".yaml", ".json", ".toml", ".example", ".env", ".tf", ".conf", ".tpl")
_KNOWN = question(
    _SETTINGS,
    lambda content: holds_in_any_case(content, (_MARK,)) and _OURS not in content,
    lambda path: path.name not in {"package-lock.json", "pnpm-lock.yaml"},
    leads_to_reading=False,
)
_PLACED = re.compile(rb"(?m)^  namespace:[ \t]*[\"']?([a-z0-9][a-z0-9-]*)")
_RUNS = re.compile(rb"(?m)^kind:[ \t]*(?:Deployment|StatefulSet|DaemonSet)\b")
_WORKLOADS = question(
    (".yml", ".yaml"),
    lambda content: _OURS not in content and matches(content, _RUNS),
    lambda path: "templates" not in path.parts,
)
_SHORTEST = 2


@once
def project(tree: Tree) -> str:
    """Return the word that names start with: the order's where the tree knows it, else its own.

    What closeout.toml says goes before.
    """
    if said := names(tree).project:
        return said
    if tree.candidates(_KNOWN):
        return ORDERS_PROJECT
    for name in (_node_name(tree), _python_name(tree), _compose_name(tree)):
        if len(plain := dns_name(name)) >= _SHORTEST:
            return plain
    return UNNAMED


def namespace(tree: Tree) -> str:
    """Return where most workloads of a tree run; its own name where none says it."""
    if said := names(tree).namespace:
        return said
    found = Counter(
        name.decode("utf-8", "replace")
        for path in tree.candidates(_WORKLOADS)
        for name in _PLACED.findall(tree.read(path) or b"")
    )
    most = max(found.values(), default=0)
    return min((name for name, count in found.items() if count == most), default=project(tree))


@lru_cache(maxsize=4096)
def dns_name(text: str) -> str:
    """Return `text` as Kubernetes takes a name: lower case, digits and dashes inside."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _node_name(tree: Tree) -> str:
    name = json_reader.mapping(tree.read("package.json")).get("name")
    return str(name or "").rpartition("/")[2]


def _python_name(tree: Tree) -> str:
    try:
        read = tomllib.loads((tree.read(PurePosixPath("pyproject.toml")) or b"").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return ""
    held = read.get("project")
    return str(held.get("name", "")) if isinstance(held, dict) else ""


def _compose_name(tree: Tree) -> str:
    for path in compose.base_files(tree):
        try:
            named = find(tree.read(path) or b"", "name")
        except YamlError:
            continue
        if named is not None and named.text:
            return named.text
    return ""
