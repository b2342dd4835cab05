"""Say how a Node service is started from its sources, and which packages that takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from closeout.fs import json_reader

SUFFIXES = (".ts", ".mts", ".cts", ".js", ".mjs", ".cjs")
_USUAL = ("src/index", "src/main", "src/server", "src/app", "index", "server", "main", "app")
_BUILT = ("dist", "build", "out", "lib", "src")
_IMPORT = re.compile(
    r"""(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire(?:\.resolve)?\s*\(\s*)["']([^"'\n]+)["']"""
)
_COMMENT = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
_COMMANDS = re.compile(r"^\s*(?:CMD|ENTRYPOINT)\s+(.+)$", re.MULTILINE)
_SCRIPTS = ("start", "serve", "dev")
_FILE = re.compile(r"[\w./-]+\.[cm]?[jt]s")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """Where a service begins, and the packages that its own code names from there on."""

    file: PurePosixPath
    packages: frozenset[str]

    @property
    def is_typescript(self) -> bool:
        """Return whether Node cannot run it by itself."""
        return self.file.suffix in {".ts", ".mts", ".cts"}


def manifest(folder: Path) -> Mapping[str, Any]:
    """Return the service's package.json; nothing where it is no JSON object."""
    try:
        read = json_reader.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def entry(folder: Path) -> EntryPoint | None:
    """Return the source that the service's image or scripts start; None where there is none."""
    file = next(iter(_candidates(folder)), None)
    if file is None:
        return None
    return EntryPoint(file=file, packages=frozenset(_packages(folder, file)))


def _candidates(folder: Path) -> Iterator[PurePosixPath]:
    for word in (*_words(folder), *_USUAL):
        for path in _sources(PurePosixPath(word)):
            if not path.is_absolute() and ".." not in path.parts and (folder / path).is_file():
                yield path


def _words(folder: Path) -> Iterator[str]:
    """Yield the files that the image's command and the scripts name."""
    image = folder / "Dockerfile"
    if image.is_file():
        commands: list[str] = _COMMANDS.findall(image.read_text("utf-8", "replace"))
        # The last stage is the one that is shipped.
        for command in reversed(commands):
            yield from _FILE.findall(command)
    read = manifest(folder)
    scripts = read.get("scripts")
    for name in _SCRIPTS:
        told = scripts.get(name) if isinstance(scripts, dict) else None
        yield from _FILE.findall(told) if isinstance(told, str) else ()
    if isinstance(read.get("main"), str):
        yield read["main"]


def _sources(named: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield where the source of a named file may lie, the file itself last where it is built."""
    plain = named.with_suffix("") if named.suffix in SUFFIXES else named
    parts = plain.parts
    stripped = PurePosixPath(*parts[1:]) if len(parts) > 1 and parts[0] in _BUILT[:-1] else None
    places = [] if stripped is None else [stripped, "src" / stripped]
    for place in (*places, plain):
        yield from (place.with_name(f"{place.name}{suffix}") for suffix in SUFFIXES)


def _packages(folder: Path, file: PurePosixPath) -> Iterator[str]:
    """Yield the packages that the sources reached from `file` by relative imports name."""
    waiting, seen = [file], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = (folder / path).read_text("utf-8", "replace")
        for name in _IMPORT.findall(_COMMENT.sub(lambda found: found[1] or "", text)):
            if name.startswith("."):
                waiting += _local(folder, path.parent, name)
            elif not name.startswith(("node:", "/")):
                parts = name.split("/")
                yield "/".join(parts[: 2 if name.startswith("@") else 1])


def _local(folder: Path, at: PurePosixPath, name: str) -> Iterator[PurePosixPath]:
    base = Path(folder, at, name).resolve()
    root = folder.resolve()
    stem = base.with_suffix("") if base.suffix in SUFFIXES else base
    for place in (
        base,
        *(Path(f"{stem}{end}") for end in SUFFIXES),
        *(base / f"index{end}" for end in SUFFIXES),
    ):
        if place.is_file() and place.suffix in SUFFIXES and place.is_relative_to(root):
            yield PurePosixPath(place.relative_to(root).as_posix())
            return
