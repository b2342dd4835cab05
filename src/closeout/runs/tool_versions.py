"""Say which tools a run had: programs, libraries, and the pins of its environments."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata

import closeout
from closeout import process
from closeout.harness import postgres
from closeout.resources import BUNDLE

_LIBRARIES = ("cryptography", "jinja2", "kubernetes-validate", "sqlglot", "tree-sitter")
_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "age": ("age", "--version"),
    "chromium": ("chromium", "--version"),
    "git": ("git", "--version"),
    "node": ("node", "--version"),
    "openssl": ("openssl", "version"),
    "pgbackrest": ("pgbackrest", "version"),
    "rclone": ("rclone", "version"),
    "redis-server": ("redis-server", "--version"),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)+[0-9A-Za-z.+~-]*")
_DEADLINE = 20.0
_NOT_FOUND = 127


@cache
def versions() -> Mapping[str, str]:
    """Return name to version of every tool that is here, asked once a process.

    A requirements file stands for the environment that is made from it, by its SHA-256.
    """
    found = {
        "closeout": closeout.__version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _LIBRARIES},
        **{name: _asked(*argv) for name, argv in _PROGRAMS.items()},
        "mosquitto": _asked(process.find("mosquitto") or "", "-h"),
        "postgres": _postgres(),
        **{
            f"requirements/{place.name}": f"sha256:{hashlib.sha256(place.read_bytes()).hexdigest()}"
            for place in (BUNDLE / "requirements").glob("*.txt")
        },
    }
    return {name: found[name] for name in sorted(found) if found[name]}


def _postgres() -> str:
    folder = postgres.binaries()
    return _asked(str(folder / "postgres"), "--version") if folder else ""


def _asked(program: str, *words: str) -> str:
    """Return the version that a program gives, nothing where it is not here."""
    if not program:
        return ""
    said = process.run([program, *words], deadline=_DEADLINE)
    number = _NUMBER.search(said.out + said.err) if said.code != _NOT_FOUND else None
    return number.group() if number else ""
