"""Install pin files by pip as the whole lists they are, and say plainly why it could not."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.resources import BUNDLE

BUILDERS = "requirements/build.txt"
"""What builds a pin that its authors give as source only; its file says `--no-binary NAME`."""

_MINUTES = 60.0
_LONGEST = 30 * _MINUTES
_SHOWN = 300
_PIP = ("-P", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")
_LIMIT = re.compile(r"^# needs Python < (\d+)\.(\d+): (.+)$", re.MULTILINE)
_SETTINGS = (
    *("PIP_", "VIRTUALENV_", "XDG_", "HTTP", "NO_PROXY", "ALL_PROXY", "REQUESTS_", "SSL_"),
    *("CURL_", "NETRC"),
)
"""Where the index is, what certifies it and where pip's own files lie: each user's own."""

_ELSEWHERE = frozenset(
    f"PIP_{word}"
    for word in (
        *("CONSTRAINT", "DRY_RUN", "PREFIX", "PYTHON", "REQUIREMENT", "ROOT", "TARGET", "USER"),
    )
)
"""Settings that would have pip install something else, or to somewhere else."""

_REASONS: Mapping[str, tuple[str, str]] = {
    "No space left on device": ("the disk is full", "free some space"),
    "Disk quota exceeded": ("the disk quota is used up", "free some space"),
    "Read-only file system": ("the file system is read-only", "work in a copy of this folder"),
    "DO NOT MATCH THE HASHES": (
        "the index gave a file that is not the pinned one",
        "ask who runs the index; if it is yours, empty pip's cache",
    ),
    "NewConnectionError": ("the package index was not reached", "check the network and pip.conf"),
    "ConnectTimeout": ("the package index did not answer", "check the network and pip.conf"),
    "ReadTimeout": ("the package index did not answer", "check the network and pip.conf"),
    "ProxyError": ("the proxy was not reached", "check HTTPS_PROXY and pip.conf"),
    "SSLError": ("the index's certificate is not trusted", "name its authority by PIP_CERT"),
    "No matching distribution": (
        "the index has no wheel of it for this Python",
        "take a Python from 3.11 to 3.14, or check which index pip.conf names",
    ),
    "ensurepip is not": (
        "this Python cannot make environments",
        "install the system's python3-venv",
    ),
    "No module named ensurepip": (
        "this Python cannot make environments",
        "install the system's python3-venv",
    ),
}
"""What pip's own words mean to a person, and what to do before the command is run again."""


def install(python: Path, files: Sequence[Path], *, lock: int | None = None) -> None:
    """Install pin files into the environment of `python` as the whole lists they are.

    Nothing is resolved: pip resolves a requirement with an extra anew once the index holds a newer
    release, and then refuses the file. Nothing is built either, save what a file names as source.
    """
    for file in files:
        _assert_python(file)
    listed = list(files)
    if any(line.startswith("--no-binary") for file in files for line in _lines(file)):
        listed.insert(0, pin_file(BUILDERS))
    for file in listed:
        words = ("--require-hashes", "--only-binary", ":all:", "--use-pep517", "-r", file)
        _pip(python, words, lock)


def pin_file(requirements: str) -> Path:
    """Return a pin file of this installation; raises CloseoutError("requirements-missing")."""
    source = BUNDLE / requirements
    if not source.is_file():
        raise CloseoutError(
            "requirements-missing",
            f"{requirements} is not a file of this installation.",
            hint="name one of them, such as requirements/live.txt.",
        )
    return source


def _assert_python(file: Path) -> None:
    """Raise where the `.in` file says that nothing in it can be had for this Python."""
    source = file.with_suffix(".in")
    found = _LIMIT.search(source.read_text(encoding="utf-8")) if source.is_file() else None
    if found and sys.version_info >= (int(found[1]), int(found[2])):
        raise CloseoutError(
            "python-too-new",
            f"{file.name} cannot be used by Python {sys.version_info[0]}.{sys.version_info[1]}: "
            f"{found[3]}.",
            hint=f"make the checkout's environment with a Python before {found[1]}.{found[2]}.",
        )


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def resolve(
    python: Path, requirements: Sequence[str], *, lock: int | None = None, deadline: float
) -> None:
    """Install what foreign requirements resolve to; nothing is built, and no hash is known.

    Raises CloseoutError("environment-failed"), also where that takes longer than `deadline`.
    """
    asked = ("--retries", "1", "--timeout", "15", "--only-binary", ":all:", "--no-user")
    pip = (python, *_PIP)
    run((*pip, *asked, *requirements), lock, deadline=deadline)


def install_project(python: Path, project: Path, *, lock: int | None = None) -> None:
    """Install a project whose sources are used where they are; what builds it is pinned too."""
    _pip(python, ("-e", project), lock)


def _pip(python: Path, words: Sequence[str | Path], lock: int | None) -> None:
    pip = (python, *_PIP)
    run((*pip, "--no-user", "--no-deps", "--no-build-isolation", *words), lock)


def run(argv: Sequence[str | Path], lock: int | None, *, deadline: float = _LONGEST) -> None:
    """Run an installer on the user's own index; raises CloseoutError("environment-failed")."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(_SETTINGS) and name.upper() not in _ELSEWHERE
    }
    result = process.run(argv, env=kept, deadline=deadline, held=() if lock is None else (lock,))
    if not result.ok:
        raise _failure(result, deadline)


def _failure(result: process.Result, deadline: float) -> CloseoutError:
    said = result.err + result.out
    why, advice = next(
        (found for words, found in _REASONS.items() if words in said),
        (_ended(result, deadline), "see what pip says"),
    )
    told = [line.strip() for line in said.splitlines() if line.strip()]
    last = next((line for line in reversed(told) if line.startswith("ERROR:")), "".join(told[-1:]))
    module = result.argv[2]
    return CloseoutError(
        "environment-failed",
        f"{why}: {module} said {last[:_SHOWN]!r}." if last else f"{why}: {module} said nothing.",
        hint=f"{advice}, then run the command again; nothing that is half made is used.",
    )


def _ended(result: process.Result, deadline: float) -> str:
    if result.code is None:
        return f"the installation was ended after {deadline / _MINUTES:.0f} minutes"
    if result.code < 0:
        return f"the installation was killed by signal {-result.code}"
    return f"the installation ended with {result.code}"
