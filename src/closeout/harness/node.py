"""Install a Node service's locked dependencies once, and share them between its copies."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError

INSTALL_DEADLINE = 300.0
"""Seconds; a cold install of a service of this size takes a tenth of it."""

_MANIFESTS = ("package.json", "package-lock.json")
_ARGV = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def install(service: Path, cache: Path) -> Path:
    """Return a `node_modules` folder that holds exactly what `service`'s lockfile names.

    The folder lies in `cache` under the manifests' digest, so that equal lockfiles are installed
    once; it is shared and must not be written to. Link it beside the service's sources. No
    package's install script is run.
    Raises CloseoutError("node-lockfile-missing") or CloseoutError("node-install-failed").
    """
    key = _key(service)
    place = cache / f"node-{key[:32]}"
    if not (place / "node_modules").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="node-partial-") as partial:
            _install_into(service, Path(partial) / "tree")
            _move(Path(partial) / "tree", place)
    return place / "node_modules"


def _key(service: Path) -> str:
    total = hashlib.sha256()
    for name in _MANIFESTS:
        try:
            total.update((service / name).read_bytes() + b"\0")
        except OSError as error:
            raise CloseoutError(
                "node-lockfile-missing",
                f"{service.name}/{name}: {error.strerror}",
                hint=f"run `npm install` in {service.name} and commit package-lock.json.",
            ) from error
    return total.hexdigest()


def _install_into(service: Path, folder: Path) -> None:
    folder.mkdir()
    for name in _MANIFESTS:
        shutil.copyfile(service / name, folder / name)
    result = process.run(_ARGV, cwd=folder, deadline=INSTALL_DEADLINE)
    if not result.ok:
        reason = (result.err or result.out).strip().splitlines() or ["it gave no reason"]
        raise CloseoutError(
            "node-install-failed",
            f"{service.name}: `{result.command}` ended with {result.code}: {reason[0]}",
            hint="install Node 20 or later, and check that package.json and its lock agree.",
        )
    (folder / "node_modules").mkdir(exist_ok=True)


def _move(folder: Path, place: Path) -> None:
    # Another process may have installed the same lock meanwhile: its folder is as good as ours.
    try:
        folder.rename(place)
    except OSError:
        if not (place / "node_modules").is_dir():
            raise
