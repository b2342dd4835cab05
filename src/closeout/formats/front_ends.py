"""Find the origins from which a tree's own front ends call on a developer's machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.declarations import names
from closeout.formats.images import run_by
from closeout.fs import json_reader
from closeout.fs.once import once
from closeout.fs.tree import below
from closeout.model import Tree

_PORTS = {
    "vite": 5173,
    "next": 3000,
    "react-scripts": 3000,
    "nuxt": 3000,
    "gatsby": 8000,
    "@angular/core": 4200,
    "@vue/cli-service": 8080,
    "astro": 4321,
    "parcel": 1234,
}
"""What serves pages while they are developed, with the port where nothing else is said."""
_CONFIGURATION = re.compile(r"(?:vite|nuxt|astro|vue)\.config\.\w+|angular\.json")
_CONFIGURED = re.compile(rb"\bport[\"']?\s*:\s*(\d{2,5})\b")
_SAID = re.compile(r"(?:--port[= ]|-p[= ]?|\bPORT=)(\d{2,5})\b")
_LISTED = re.compile(rb"(?im)^[ \t#-]*(?:export )?\w*(?:ORIGIN|CORS)\w*[ \t]*[=:][^\r\n]*")
_LOCAL = re.compile(rb"https?://(?:localhost|127\.0\.0\.1)(?::\d+)?(?=[\s,;\"'\]}|]|$)")
_EXAMPLE = re.compile(r"\.?env(?:\.\w+)*")


@once
def local_origins(tree: Tree) -> tuple[str, ...]:
    """Return the origins of dev servers and published pages, and those that settings list.

    Those that closeout.toml names stand alone.
    """
    if said := names(tree).origins:
        return said
    return tuple(sorted({*_served(tree), *_listed(tree)}))


def is_front_end(tree: Tree, folder: PurePosixPath) -> bool:
    """Return whether a folder's package is built into pages, which have no environment."""
    return bool(_ports(tree, folder / "package.json"))


def _served(tree: Tree) -> Iterator[str]:
    folders = set()
    for path in tree.ending(frozenset({".json"})):
        if path.name == "package.json" and (ports := _ports(tree, path)):
            folders.add(path.parent)
            yield from (f"http://localhost:{port}" for port in ports)
    for service in compose.all_services(tree) if folders else ():
        if service.ports and run_by(tree, service, frozenset(folders)):
            yield from (f"http://localhost:{p.number}" for p in service.ports if p.number)


def _ports(tree: Tree, path: PurePosixPath) -> list[str]:
    """Return the ports of the dev server that a manifest speaks of, none where there is none."""
    content = tree.read(path) or b""
    if not any(f'"{name}"'.encode() in content for name in _PORTS):
        return []
    held = json_reader.mapping(content)
    parts = [held.get(key) for key in ("dependencies", "devDependencies", "scripts")]
    direct, developing, scripts = [part if isinstance(part, dict) else {} for part in parts]
    usual = [str(port) for name, port in _PORTS.items() if name in {*direct, *developing}]
    said = [port for text in scripts.values() for port in _SAID.findall(str(text))]
    told = [
        port.decode()
        for beside in below(tree, path.parent)
        if beside.parent == path.parent and _CONFIGURATION.fullmatch(beside.name)
        for port in _CONFIGURED.findall(tree.read(beside) or b"")
    ]
    return said or told or usual[:1] if usual else []


def _listed(tree: Tree) -> Iterator[str]:
    for path in tree.paths():
        if _EXAMPLE.fullmatch(path.name) or compose.may_be_compose(path):
            for line in _LISTED.findall(tree.read(path) or b""):
                yield from (found.decode() for found in _LOCAL.findall(line))
