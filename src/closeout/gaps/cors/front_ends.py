"""Find the tree's front ends: where browsers get them from, and which headers they send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.images import run_by
from closeout.formats.tree_names import ORDERS_PROJECT, project
from closeout.fs.prefilter import question
from closeout.fs.tree import below
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing.typescript import find, text_of

ORDERS_ORIGINS = ("http://localhost:5135", "http://localhost:5143")
"""The dashboards on a developer's machine, as the order lists them for its own project."""

ON_EVERY_LIST = (
    "authorization",
    "content-type",
    "idempotency-key",
    "x-correlation-id",
    "x-request-id",
    "x-tenant-id",
)
"""The request headers that every policy allows."""

_PAGES = re.compile(
    rb'"(?:react-dom|vue|svelte|@angular/core|preact|solid-js|vite|react-scripts|next|nuxt)"\s*:'
)
_FRONT_END = question(
    (".json",),
    lambda content: bool(_PAGES.search(content)),
    lambda path: path.name == "package.json" and "node_modules" not in path.parts,
)
_CONFIGURATIONS = tuple(
    f"{name}.config.{ending}" for name in ("vite", "vue") for ending in ("ts", "js", "mjs", "mts")
)
_SCRIPT_PORT = re.compile(rb"(?:--port[ =]|\bPORT=|\s-p )(\d{2,5})\b")
_DEFAULTS = (
    (b'"react-scripts"', 3000),
    (b'"next"', 3000),
    (b'"@angular/core"', 4200),
    (b'"@vue/cli-service"', 8080),
    (b'"vite"', 5173),
)
"""Where a development server listens that nobody tells where."""

_SOURCES = frozenset({".ts", ".tsx", ".js", ".jsx", ".mjs", ".vue", ".svelte"})
_SENT = re.compile(rb"""['"`](x-[a-z][a-z0-9-]{1,40})['"`]""", re.IGNORECASE)
_ANSWERED = re.compile(
    r"x-(?:frame-options|content-type-options|xss-protection|powered-by|forwarded-.*|real-ip"
    r"|dns-prefetch-control|ratelimit-.*|accel-.*)"
)
"""Written by servers and proxies, never by a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnds:
    """The origins of a tree's pages on a developer's machine, and the headers they send."""

    origins: tuple[str, ...]
    headers: tuple[str, ...]

    @property
    def request_headers(self) -> tuple[str, ...]:
        """Return what a policy allows pages to send."""
        return tuple(sorted({*ON_EVERY_LIST, *self.headers}))


def front_ends(tree: Tree) -> FrontEnds:
    """Return the tree's front ends; without any the order's, where it is the order's project."""
    folders = frozenset(path.parent for path in tree.candidates(_FRONT_END))
    ports = {port for folder in folders for port in _served(tree, folder)}
    ports |= set(_published(tree, folders))
    origins = tuple(f"http://localhost:{port}" for port in sorted(ports))
    if not origins and project(tree) == ORDERS_PROJECT:
        origins = ORDERS_ORIGINS
    return FrontEnds(origins=origins, headers=tuple(sorted(set(_headers(tree, folders)))))


def _served(tree: Tree, folder: PurePosixPath) -> Iterator[int]:
    """Yield the ports of a front end's development server."""
    manifest = tree.read(folder / "package.json") or b""
    told = {int(port) for port in _SCRIPT_PORT.findall(manifest)}
    for name in _CONFIGURATIONS:
        for pair in find(typescript.parsed(tree.read(folder / name) or b""), "pair"):
            value = text_of(pair.child_by_field_name("value"))
            if text_of(pair.child_by_field_name("key")) == "port" and value.isdigit():
                told.add(int(value))
    yield from told or [port for sign, port in _DEFAULTS if sign in manifest][:1]


def _published(tree: Tree, folders: frozenset[PurePosixPath]) -> Iterator[int]:
    """Yield the ports at which compose publishes front ends."""
    for path in compose.files(tree) if folders else ():
        for service in compose.services(path, tree.read(path) or b""):
            if run_by(tree, service, folders):
                yield from (int(port.number) for port in service.ports if port.number)


def _headers(tree: Tree, folders: frozenset[PurePosixPath]) -> Iterator[str]:
    for folder in folders:
        for path in below(tree, folder):
            if path.suffix in _SOURCES and path.name not in _CONFIGURATIONS:
                found = _SENT.findall(tree.read(path) or b"")
                names = (name.decode().lower() for name in found)
                yield from (name for name in names if not _ANSWERED.fullmatch(name))
