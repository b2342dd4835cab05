"""Add exact npm dependencies to a package.json and its lock, as edits of their bytes.

The lock's entries were made by npm once and are shipped with the templates; here they are only
put in place: at the top, or below their dependant where the lock holds another version. Every
other byte stays: manifests mix indents, separators and escapes that no writer of JSON gives back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from closeout.formats.npm_lock import TOP, CrowdedError, moved
from closeout.fs import json_reader
from closeout.fs.text_edit import Splice, indentation, spliced
from closeout.model import Edit, Reason, Tree, Unresolved

_NOT_ALWAYS_INSTALLED = ("dev", "optional", "devOptional", "peer")
_OTHER_LOCKS = ("yarn.lock", "pnpm-lock.yaml", "npm-shrinkwrap.json")
_BETWEEN = re.compile(r"[ \t\r\n,:]*")
_SCANNER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """Exact versions by name, and the lock's entry of every package they bring."""

    versions: Mapping[str, str]
    packages: Mapping[str, Mapping[str, Any]]


def dependencies(rendered: bytes) -> Dependencies:
    """Return the dependencies that a rendered `npm.json` template lists."""
    read = json.loads(rendered)
    return Dependencies(versions=read["dependencies"], packages=read["packages"])


def add(
    tree: Tree, service: PurePosixPath, wanted: Dependencies
) -> tuple[tuple[Edit, ...], tuple[Unresolved, ...]]:
    """Return the edits that make `service` depend on `wanted`, and what has to be done by hand.

    A name that the manifest already lists keeps its version; an older major is unresolved.
    """
    manifest = service / "package.json"
    content = tree.read(manifest) or b""
    try:
        listed = _listed(_read(content))
    except ValueError as error:
        reason = _reason(error, Reason.UNPARSABLE if content else Reason.MISSING)
        return (), (_unresolved(manifest, reason, "no package.json that could be read"),)
    older = [name for name in wanted.versions if _is_older(listed.get(name), wanted.versions[name])]
    if older:
        detail = f"depends on an older {', '.join(older)} than the fixed code needs"
        return (), (_unresolved(manifest, Reason.DRIFTED, detail),)
    missing = {name: version for name, version in wanted.versions.items() if name not in listed}
    if not missing:
        return (), ()
    edit = spliced(tree, manifest, _with_dependencies(content.index(b"{"), content, missing))
    lock_edits, unresolved = _lock(tree, service, missing, wanted)
    return (edit, *lock_edits), unresolved


def service_of(tree: Tree, path: PurePosixPath) -> PurePosixPath | None:
    """Return the nearest folder above `path` with a package.json, or None."""
    return next(
        (folder for folder in path.parents if tree.read(folder / "package.json") is not None), None
    )


def home_of(tree: Tree, path: PurePosixPath) -> PurePosixPath:
    """Return the folder of the service that the file belongs to, without one its own."""
    return service_of(tree, path) or path.parent


def is_of(tree: Tree, path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Return whether a file belongs to the service in `folder`, whose manifest may stand above."""
    home = home_of(tree, path)
    return home == folder or (home in folder.parents and folder in path.parents)


def _lock(
    tree: Tree, service: PurePosixPath, missing: Mapping[str, str], wanted: Dependencies
) -> tuple[tuple[Edit, ...], tuple[Unresolved, ...]]:
    path, root = _lock_of(tree, service)
    content = tree.read(path)
    if content is None:
        return (), ()
    if path.name != "package-lock.json":
        return (), (_unresolved(path, Reason.DRIFTED, "only package-lock.json is kept in step"),)
    try:
        packages = _read(content)["packages"]
        for entry in (packages[root], *packages.values()):
            _listed(entry)
        others = [name for name in missing if _is_another(packages, name, wanted)]
        renamed = {} if root else moved(packages, others, root)
    except (ValueError, LookupError, TypeError) as error:
        detail = "a lock without a packages section to read"
        detail = str(error) if isinstance(error, CrowdedError) else detail
        return (), (_unresolved(path, _reason(error, Reason.DRIFTED), detail),)
    section = _members(content, content.index(b"{"))["packages"].start
    members = _members(content, section)
    packages = {renamed.get(key, key): entry for key, entry in packages.items()}
    placed = _placed(packages, missing, wanted, root)
    placed |= {new: packages[new] for new in renamed.values()}
    splices = _insertions(section, content, placed, set(renamed))
    splices += _removals(section, content, set(renamed))
    splices += _with_dependencies(members[root].start, content, missing)
    return (spliced(tree, path, splices),), ()


def _lock_of(tree: Tree, service: PurePosixPath) -> tuple[PurePosixPath, str]:
    """Return the lock that speaks of a service, a workspace's too, and its entry there."""
    for folder in (service, *service.parents):
        root = "" if folder == service else service.relative_to(folder).as_posix()
        for name in ("package-lock.json", *_OTHER_LOCKS):
            content = tree.read(folder / name)
            if content is not None and (not root or _is_workspace(tree, folder, root)):
                return folder / name, root
    return service / "package-lock.json", ""


def _is_workspace(tree: Tree, folder: PurePosixPath, member: str) -> bool:
    """Return whether the manifest of `folder` says that `member` is one of its workspaces."""
    if tree.read(folder / "pnpm-workspace.yaml") is not None:
        return True
    try:
        held = _read(tree.read(folder / "package.json") or b"{}").get("workspaces", ())
    except (ValueError, AttributeError):
        return False
    patterns = held.get("packages", ()) if isinstance(held, dict) else held
    return any(
        PurePosixPath(member).match(str(pattern).strip("./"))
        for pattern in (patterns if isinstance(patterns, list) else ())
    )


def _is_another(packages: Mapping[str, Mapping[str, Any]], name: str, wanted: Dependencies) -> bool:
    there = packages.get(TOP + name)
    if there is None:
        return False
    is_same = there.get("version") == wanted.packages[name]["version"]
    if is_same and _is_partial(there):
        message = f"the lock holds {name} for development only"
        raise CrowdedError(message)
    return not is_same


def _placed(
    packages: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, str],
    wanted: Dependencies,
    root: str,
) -> dict[str, Mapping[str, Any]]:
    """Return new lock entries by key: the missing packages and what they bring.

    What the top holds in another version goes below the first one that needs it: a package of
    ours, or the workspace `root`.
    """
    placed: dict[str, Mapping[str, Any]] = {}
    pending = [(name, root) for name in missing]
    while pending:
        name, owner = pending.pop()
        entry = wanted.packages[name]
        key = TOP + name
        there = packages.get(key) or placed.get(key)
        if there is not None:
            if there.get("version") == entry["version"] and not _is_partial(there):
                continue
            key = f"{owner}/{TOP}{name}" if owner else key
        placed[key] = entry
        mine = key if owner == root else owner
        pending += [(brought, mine) for brought in entry.get("dependencies", {})]
    return placed


def _is_partial(entry: Mapping[str, Any]) -> bool:
    return any(entry.get(flag) for flag in _NOT_ALWAYS_INSTALLED)


def _read(content: bytes) -> Any:  # noqa: ANN401 - JSON may hold anything
    content.decode()
    return json_reader.loads(content, json_reader.unique)


def _reason(error: Exception, otherwise: Reason) -> Reason:
    return Reason.AMBIGUOUS if isinstance(error, json_reader.RepeatedNameError) else otherwise


def _listed(holder: Any) -> dict[str, str]:  # noqa: ANN401 - as above
    """Return the dependencies that an object lists; raises ValueError where these are no such."""
    listed = holder.get("dependencies", {}) if isinstance(holder, dict) else None
    if not isinstance(listed, dict) or not all(isinstance(item, str) for item in listed.values()):
        message = "its dependencies are no versions by name"
        raise ValueError(message)
    return listed


@lru_cache(maxsize=4)
def _members(content: bytes, start: int) -> Mapping[str, slice]:
    """Return where the value of each member of the object at `start` stands."""
    # One character a byte: what the scanner counts is where the bytes are.
    text = content.decode("latin-1")
    found: dict[str, slice] = {}
    at = _skipped(text, start + 1)
    while text[at] != "}":
        name, end = _SCANNER.raw_decode(text, at)
        begin = _skipped(text, end)
        _, end = _SCANNER.raw_decode(text, begin)
        found[name] = slice(begin, end)
        at = _skipped(text, end)
    return found


def _skipped(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _with_dependencies(holder: int, content: bytes, missing: Mapping[str, str]) -> list[Splice]:
    section = _members(content, holder).get("dependencies")
    if section is None:
        return _insertions(holder, content, {"dependencies": missing})
    return _insertions(section.start, content, missing)


def _removals(section: int, content: bytes, names: Collection[str]) -> Iterator[Splice]:
    """Yield splices that take members out, with a comma each."""
    members = list(_members(content, section).items())
    keys = [content.rindex(json.dumps(name).encode(), 0, value.start) for name, value in members]
    last = max((at for at, (name, _) in enumerate(members) if name not in names), default=-1)
    for at, (name, _) in enumerate(members[: last + 1]):
        if name in names:
            yield Splice(start=keys[at], end=keys[at + 1], text="")
    if 0 <= last < len(members) - 1:
        yield Splice(start=members[last][1].stop, end=members[-1][1].stop, text="")


def _insertions(
    section: int, content: bytes, new: Mapping[str, Any], leaving: Collection[str] = ()
) -> list[Splice]:
    """Return splices that add members, each after the last name that stays and sorts before it."""
    members, step = _members(content, section), _step(content)
    members = {name: value for name, value in members.items() if name not in leaving}
    outer = "\n" + indentation(content, section)
    written = {
        name: f"{outer}{step}{json.dumps(name)}: "
        + json.dumps(value, indent=step).replace("\n", outer + step)
        for name, value in sorted(new.items())
    }
    if not members:
        text = "{" + ",".join(written.values()) + outer + "}"
        return [Splice(start=section, end=content.index(b"}", section) + 1, text=text)]
    splices = []
    for name, text in written.items():
        before = [value.stop for other, value in members.items() if other < name]
        at = max(before, default=section + 1)
        splices.append(Splice(start=at, end=at, text=f",{text}" if before else f"{text},"))
    return splices


def _step(content: bytes) -> str:
    """Return one level of indentation: what the first indented line starts with."""
    lines: Iterable[bytes] = content.splitlines()
    first = next((line for line in lines if line[:1] in {b" ", b"\t"}), b"  x")
    return first[: len(first) - len(first.lstrip())].decode()


def _is_older(present: str | None, wanted: str) -> bool:
    if present is None:
        return False
    major = present.lstrip("^~>=v ").split(".")[0]
    return not major.isdigit() or int(major) < int(wanted.split(".", maxsplit=1)[0])


def _unresolved(path: PurePosixPath, reason: Reason, detail: str) -> Unresolved:
    return Unresolved(
        path=path,
        reason=reason,
        detail=detail,
        hint="add or upgrade the dependency by the project's own package manager, then run again.",
    )
