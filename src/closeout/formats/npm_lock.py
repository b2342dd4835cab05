"""Say which entries of a package-lock.json make room for another version, as npm nests them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

TOP = "node_modules/"

Packages = Mapping[str, Mapping[str, Any]]


class CrowdedError(ValueError):
    """Room cannot be made without resolving anew, which only the package manager does."""


def moved(packages: Packages, names: Iterable[str], root: str) -> dict[str, str]:
    """Return the new key of every entry that leaves the top, so that `names` can stand there.

    A package goes below the only one that depends on it, and its plug-ins, which ask for it as
    their peer, go with it. `root` is the entry that is to depend on `names`. Raises CrowdedError.
    """
    group = {name for name in names if TOP + name in packages}
    waiting = list(group)
    while waiting:
        name = waiting.pop()
        for key in _asking(packages, name, "peerDependencies"):
            plug_in = key.removeprefix(TOP)
            if plug_in not in group:
                group.add(plug_in)
                waiting.append(plug_in)
    direct = [key for key in packages if TOP not in key and key != root]
    hosts = {
        key
        for name in group
        for kind in ("dependencies", "optionalDependencies")
        for key in _asking(packages, name, kind)
        if key.removeprefix(TOP) not in group
    }
    asked = {name for key in (root, *direct) for name in _listed(packages.get(key, {}))}
    if group and (len(hosts) != 1 or asked & group or not next(iter(hosts)).startswith(TOP)):
        message = f"the lock holds another {', '.join(sorted(group))} for several packages"
        raise CrowdedError(message)
    return {
        key: f"{host}/{key}"
        for host in hosts
        for name in sorted(group)
        for key in packages
        if key == TOP + name or key.startswith(f"{TOP}{name}/{TOP}")
    }


def _asking(packages: Packages, name: str, kind: str) -> Iterator[str]:
    """Yield the entries that ask for `name` and get the one at the top."""
    for key, entry in packages.items():
        if name in entry.get(kind, {}) and not _has_own(packages, key, name):
            yield key


def _has_own(packages: Packages, key: str, name: str) -> bool:
    parts = key.split(f"/{TOP}")
    above = (f"/{TOP}".join(parts[: end + 1]) for end in range(len(parts)))
    return any(f"{place}/{TOP}{name}" in packages for place in above if place)


def _listed(entry: Mapping[str, Any]) -> set[str]:
    kinds = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
    return {name for kind in kinds for name in entry.get(kind, {})}
