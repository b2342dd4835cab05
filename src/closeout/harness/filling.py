"""Give a service that does not start what its deployment gives it, and what it asks for by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from closeout.formats import deployed
from closeout.fs.tree import DiskTree
from closeout.harness.boot import Launch
from closeout.harness.launchers.fillings import value_of
from closeout.harness.service_discovery import Member
from closeout.parsing.node_sources import is_source

_NAME = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]\b")
_NO_SETTING = re.compile(r"^(ERR_|MODULE_NOT_FOUND$|UV_|NODE_)")
_REFUSAL = re.compile(r"\b(?:throw|raise)\b[^\n'\"`]{0,80}(['\"`])(?P<text>[^'\"`\n]{8,})\1")
_READ = re.compile(
    r"\bprocess\.env(?:\.|\[['\"])(\w+)|\benviron(?:\.get\(|\[)\s*['\"](\w+)|\bgetenv\(\s*['\"](\w+)"
)
_PAST = ("PORT", "HOST", "APP_PORT", "NODE_OPTIONS", "PYTHONPATH", "PATH", "TZ")
"""What the launcher decides itself."""


def filled(launch: Launch, tree: Path, member: Member, said: str) -> Launch:
    """Return the start with the variables of a deployment that it lacked, and those that it named.

    `said` is what the service wrote before it ended.
    """
    given = _deployment(tree, member)
    wanted = {name: value for name, value in given.items() if value and name not in _PAST}
    for name in named(said):
        wanted.setdefault(name, value_of(name, ""))
    dsn = launch.environment.get("DATABASE_URL", "")
    extra = {
        name: dsn if value.startswith(("postgres:", "postgresql:")) else value
        for name, value in wanted.items()
        if name not in launch.environment
    }
    names = tuple(sorted({*launch.filled, *extra}))
    return replace(launch.with_environment(extra), filled=names)


def named(said: str) -> tuple[str, ...]:
    """Return the variables that a service's last words name, each once."""
    found = dict.fromkeys(_NAME.findall(said))
    return tuple(name for name in found if not _NO_SETTING.match(name))


def read_beside(tree: Path, member: Member, said: str) -> tuple[str, ...]:
    """Return the variables that the source reads which ends the service with what it `said`.

    "Missing TOKEN or credentials" names one of three.
    """
    disk = DiskTree(tree / member.folder)
    names: dict[str, None] = {}
    for path in disk.paths():
        if is_source(path) or path.suffix == ".py":
            text = (disk.read(path) or b"").decode("utf-8", "replace")
            if any(refused["text"] in said for refused in _REFUSAL.finditer(text)):
                names |= dict.fromkeys("".join(found) for found in _READ.findall(text))
    return tuple(names)


def _deployment(tree: Path, member: Member) -> Mapping[str, str]:
    disk = DiskTree(tree)
    found: dict[str, str] = {**deployed.examples(disk, member.folder)}
    for item in deployed.environments(disk, member.folder):
        for name, value in item.variables.items():
            # What one file leaves blank, another may say.
            found[name] = found.get(name) or value
    return found
