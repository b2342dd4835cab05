"""Install a Node service's dependencies once, and share them between its copies."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs import json_reader
from closeout.harness import node_service
from closeout.process import scratch

INSTALL_DEADLINE = 300.0
"""Seconds; a cold install of a service of this size takes a tenth of it."""

TYPESCRIPT = Path(__file__).resolve().parent / "launchers" / "typescript"
"""The manifest and lock of what runs TypeScript as it stands, unchecked."""

MANIFEST, LOCK = "package.json", "package-lock.json"
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_LOCKED = ("npm", "ci", *_QUIET)
_RESOLVED = ("npm", "install", "--legacy-peer-deps", *_QUIET)
_RUN_ONLY = (*_RESOLVED, "--omit=dev", "--prefer-offline")
_CLIENTS = json.loads((TYPESCRIPT.parent / "clients.json").read_bytes())
_STOOD_IN = (*_CLIENTS["generated"], *_CLIENTS["clients"])
_NOT_TO_BE_HAD = (
    re.compile(r"404\s+(?:Not Found - \S+ - Not found\s+)?.*?'((?:@[^/'\s]+/)?[^@'\s]+)@[^']*'"),
    re.compile(r"No matching version found for ((?:@[^/\s]+/)?[^@\s]+)@"),
)
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A `node_modules` folder, and what is to be told of it."""

    modules: Path
    told: str = ""
    """Where its versions come from, if not from a lock of the service's own."""
    lock: Path | None = None
    """The lock that was resolved for it, where the service has none."""


def install(service: Path, cache: Path) -> Path:
    """Return a `node_modules` folder that holds all that `service`'s manifest and lock name.

    The folder lies in `cache` under the manifests' digest, so that equal ones are installed once;
    it is shared and must not be written to. Link it beside the service's sources. No package's
    install script is run. A service without a lock is resolved once: the lock stays beside the
    packages.
    Raises CloseoutError("node-manifest-missing") or CloseoutError("node-install-failed").
    """
    manifest = _content(service / MANIFEST)
    lock = _content(service / LOCK)
    if manifest is None:
        raise CloseoutError(
            "node-manifest-missing",
            f"{service.name}/{MANIFEST} is not there.",
            hint="write into closeout.toml where the service's folder is.",
        )

    def fill(folder: Path) -> None:
        _copy_archives(service, folder, _listed(node_service.manifest(service)))
        _npm(service.name, _LOCKED if lock is not None else _RESOLVED, folder)

    return _once(cache, manifest, lock, fill)


def install_needed(service: Path, names: Iterable[str], cache: Path) -> Installed:
    """Return the packages among `names` that the service lists, at its lock's versions.

    What the launcher stands in for is left out, and so is what cannot be had.
    Raises CloseoutError("node-install-failed") where no package can.
    """
    listed = _listed(node_service.manifest(service))
    wanted = {name: listed[name] for name in sorted(names) if name in listed and not _is_ours(name)}
    lock = _content(service / LOCK)
    absent = [name for name, at in wanted.items() if not _is_there(service, at)]
    for _ in range(_TRIES):
        left = {name: at for name, at in wanted.items() if name not in absent}
        try:
            modules = _reduced(service, left, lock, cache)
        except CloseoutError as error:
            lacking = next((m[1] for p in _NOT_TO_BE_HAD if (m := p.search(error.message))), "")
            if lacking not in left:
                raise
            absent.append(lacking)
            continue
        made = modules.parent / LOCK
        return Installed(
            modules=modules,
            told=_told(service, lock),
            lock=made if lock is None and made.is_file() else None,
        )
    raise CloseoutError(
        "node-install-failed",
        f"{service.name}: {', '.join(absent)} and more cannot be had.",
        hint="check which registry npm asks.",
    )


def _reduced(service: Path, left: Mapping[str, str], lock: bytes | None, cache: Path) -> Path:
    manifest = json.dumps({"name": "probed", "private": True, "dependencies": left}).encode()

    def fill(folder: Path) -> None:
        _copy_archives(service, folder, left)
        if left:
            _npm(service.name, _RUN_ONLY, folder)

    return _once(cache, manifest, lock, fill)


def _told(service: Path, lock: bytes | None) -> str:
    if lock is None:
        others = [name for name in ("yarn.lock", "pnpm-lock.yaml") if (service / name).exists()]
        held = f"{others[0]}, which is not read" if others else "no lock file"
        return f"versions resolved for this run: the service has {held}"
    return "" if agrees(service) else f"{LOCK} does not agree with {MANIFEST}: `npm ci` refuses it"


def agrees(service: Path) -> bool:
    """Return whether the lock is of the manifest beside it, as `npm ci` demands."""
    try:
        top = json_reader.loads((service / LOCK).read_bytes())["packages"][""]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    read = node_service.manifest(service)
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    return all((top.get(kind) or {}) == (read.get(kind) or {}) for kind in kinds)


def _is_ours(name: str) -> bool:
    return any(name == one or (one.endswith("/") and name.startswith(one)) for one in _STOOD_IN)


def _listed(manifest: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in ("devDependencies", "optionalDependencies", "dependencies"):
        held = manifest.get(kind)
        if isinstance(held, dict):
            found.update({name: at for name, at in held.items() if isinstance(at, str)})
    return found


def _is_there(service: Path, at: str) -> bool:
    """Return whether a package can be asked for: one given by a path has to lie in the service."""
    if not at.startswith(("file:", "link:", "workspace:")):
        return True
    place = (service / at.partition(":")[2]).resolve()
    return at.startswith("file:") and place.is_file() and place.is_relative_to(service.resolve())


def _copy_archives(service: Path, folder: Path, listed: Mapping[str, str]) -> None:
    for at in listed.values():
        if at.startswith("file:") and _is_there(service, at):
            target = folder / at.partition(":")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(service / at.partition(":")[2], target)


def _content(place: Path) -> bytes | None:
    return place.read_bytes() if place.is_file() else None


def _once(cache: Path, manifest: bytes, lock: bytes | None, fill: Callable[[Path], None]) -> Path:
    """Return the `node_modules` of a manifest and its lock, filled by whoever is first."""
    key = hashlib.sha256(manifest + b"\0" + (lock or b"") + b"\0").hexdigest()
    place = cache / f"node-{key[:32]}"
    if not (place / "node_modules").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with scratch.folder("node", cache) as partial:
            folder = partial / "tree"
            folder.mkdir()
            (folder / MANIFEST).write_bytes(manifest)
            if lock is not None:
                (folder / LOCK).write_bytes(lock)
            fill(folder)
            (folder / "node_modules").mkdir(exist_ok=True)
            _move(folder, place)
    return place / "node_modules"


def _npm(name: str, argv: tuple[str, ...], folder: Path) -> None:
    result = process.run(argv, cwd=folder, deadline=INSTALL_DEADLINE)
    if not result.ok:
        reason = " | ".join((result.err or result.out).strip().splitlines()[:4])
        raise CloseoutError(
            "node-install-failed",
            f"{name}: `{result.command}` ended with {result.code}: {reason or 'it gave no reason'}",
            hint="install Node 20 or later, and check that package.json and its lock agree.",
        )


def _move(folder: Path, place: Path) -> None:
    # Another process may have installed the same lock meanwhile: its folder is as good as ours.
    try:
        folder.rename(place)
    except OSError:
        if not (place / "node_modules").is_dir():
            raise
