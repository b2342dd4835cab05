"""Know what the compose files around a file call the secrets that are written out in it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats import compose, dockerfile
from closeout.formats.compose_example import required_by
from closeout.fs.prefilter import question
from closeout.model import Tree

_GENERAL = frozenset(
    {"PASS", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "KEY", "API_KEY", "CREDENTIALS"}
)
"""Names that say nothing of what a secret opens."""
_PASSWORD = re.compile(
    rb"(?:\benv[.\[(]|\benviron(?:\.get)?[\[(]|\bgetenv\(|\brequiredSecret\()[\"']?(\w*PASSWORD)\b"
)
"""A password that code takes from its environment, by our module too."""
_SEEDS = question(
    (".ts", ".js", ".mjs", ".cjs", ".py"),
    lambda content: b"PASSWORD" in content,
    lambda path: "seed" in str(path).lower() and "node_modules" not in path.parts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVariables:
    """The variables that compose files require, some with the value that each stands for."""

    tree: Tree
    stood_for: Mapping[PurePosixPath, Mapping[str, str]]
    """Values by folder and name: what the compose files there held."""

    def required(self, folder: PurePosixPath) -> dict[str, str]:
        """Return what the compose files of a folder require, with the value where it is known."""
        found: dict[str, str] = {}
        for path in compose.files(self.tree):
            if path.parent == folder:
                found |= dict.fromkeys(required_by(self.tree.read(path) or b""), "")
        return found | dict(self.stood_for.get(folder, {}))

    def around(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return the nearest folder above a file in which compose files require variables."""
        return next((folder for folder in path.parents if self.required(folder)), None)

    def name_for(self, path: PurePosixPath, written: str, value: str, software: str = "") -> str:
        """Return the variable for a secret that a file calls `written`; empty where none is clear.

        It is the one of that name, else the one that stands for the same value of the same
        software, else a name of its own.
        """
        folder = self.around(path)
        held = self.required(folder) if folder is not None else {}
        alike = [name for name in held if _joined(name) == _joined(written)]
        if alike and not (written in _GENERAL and held[alike[0]] != value):
            return alike[0]
        prefix = software or ("" if written in _GENERAL else written.partition("_")[0])
        same = [name for name, known in held.items() if known == value]
        same = [name for name in same if name.startswith(f"{prefix}_")] if prefix else same
        if len(same) == 1:
            return same[0]
        if written not in _GENERAL:
            return written
        return f"{software}_PASSWORD" if software else ""

    def seeded(self, user: str) -> str:
        """Return the one variable from which the tree's seeds take the password of a user."""
        found: set[str] = set()
        for path in self.tree.candidates(_SEEDS):
            content = self.tree.read(path) or b""
            if re.search(rb"[\"'`]%s[\"'`]" % re.escape(user.encode()), content):
                found |= {each.decode() for each in _PASSWORD.findall(content)}
        return found.pop() if len(found) == 1 else ""

    def env_file(self, path: PurePosixPath, name: str) -> str:
        """Return the file in which a person keeps the variable, as seen from `path`; or nothing."""
        folder = self.around(path)
        if folder is None or name not in self.required(folder):
            return ""
        return posixpath.relpath(folder / ".env", path.parent)

    def lacking(self, path: PurePosixPath, name: str) -> str:
        """Return a compose service that has the file in its container and not the variable."""
        for service in compose.all_services(self.tree):
            is_given = bool(service.env_files) or name in service.variables
            if self._has(service, path) and not is_given:
                return f"{service.name} in {service.path.name}"
        return ""

    def is_contained(self, path: PurePosixPath) -> bool:
        """Return whether a compose service has the file in its container."""
        return any(self._has(service, path) for service in compose.all_services(self.tree))

    def _has(self, service: compose.ComposeService, path: PurePosixPath) -> bool:
        if any(item.source in {path, *path.parents} for item in service.mounts if item.source):
            return True
        build, recipe = service.build, service.recipe
        if build is None or recipe is None or not path.is_relative_to(build):
            return False
        copies = dockerfile.copies(self.tree.read(recipe) or b"")
        return any(copy.place(path.relative_to(build)) is not None for copy in copies)


def _joined(name: str) -> str:
    return name.replace("_", "")
