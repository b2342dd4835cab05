"""Add exact npm dependencies to a package.json and its lock, as edits of their bytes.

The lock's entries were made by npm once and are shipped with the templates; here they are only
put in place: at the top, or below their dependant where the lock holds another version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from closeout.fs import json_reader
from closeout.fs.text_edit import Splice, indentation, splice
from closeout.model import Edit, Reason, Tree, Unresolved
from closeout.parsing import typescript

_TOP = "node_modules/"
_NOT_ALWAYS_INSTALLED = ("dev", "optional", "devOptional", "peer")
_OTHER_LOCKS = ("yarn.lock", "pnpm-lock.yaml", "npm-shrinkwrap.json")


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
    content = tree.read(manifest)
    if content is None or not _is_object(content):
        detail = "no package.json that could be read"
        return (), (
            _unresolved(manifest, Reason.UNPARSABLE if content else Reason.MISSING, detail),
        )
    listed = json_reader.loads(content).get("dependencies", {})
    older = [name for name in wanted.versions if _is_older(listed.get(name), wanted.versions[name])]
    if older:
        detail = f"depends on an older {', '.join(older)} than the fixed code needs"
        return (), (_unresolved(manifest, Reason.DRIFTED, detail),)
    missing = {name: version for name, version in wanted.versions.items() if name not in listed}
    if not missing:
        return (), ()
    after = splice(content, _with_dependencies(_whole(content), content, missing))
    lock_edits, unresolved = _lock(tree, service, missing, wanted)
    edit = Edit(path=manifest, before=content, after=after, mode=tree.mode(manifest))
    return (edit, *lock_edits), unresolved


def service_of(tree: Tree, path: PurePosixPath) -> PurePosixPath | None:
    """Return the nearest folder above `path` with a package.json, or None."""
    return next(
        (folder for folder in path.parents if tree.read(folder / "package.json") is not None), None
    )


def _lock(
    tree: Tree, service: PurePosixPath, missing: Mapping[str, str], wanted: Dependencies
) -> tuple[tuple[Edit, ...], tuple[Unresolved, ...]]:
    path = service / "package-lock.json"
    content = tree.read(path)
    if content is None:
        others = (service / name for name in _OTHER_LOCKS)
        other = next((lock for lock in others if tree.read(lock) is not None), None)
        if other is None:
            return (), ()
        return (), (_unresolved(other, Reason.DRIFTED, "only package-lock.json is kept in step"),)
    packages = json_reader.loads(content).get("packages") if _is_object(content) else None
    if not packages or "" not in packages:
        return (), (_unresolved(path, Reason.DRIFTED, "a lock without the packages section"),)
    section = typescript.properties(_whole(content))["packages"]
    entries = typescript.properties(section)
    placed = _placed(packages, missing, wanted)
    new = {name: _entry(value, content, section) for name, value in placed.items()}
    splices = [
        *_with_dependencies(entries[""], content, missing),
        *_insertions(section, content, new),
    ]
    after = splice(content, splices)
    return (Edit(path=path, before=content, after=after, mode=tree.mode(path)),), ()


def _placed(
    packages: Mapping[str, Mapping[str, Any]], missing: Mapping[str, str], wanted: Dependencies
) -> dict[str, Mapping[str, Any]]:
    """Return new lock entries by key: the missing packages and what they bring."""
    placed: dict[str, Mapping[str, Any]] = {}
    pending = [(name, "") for name in missing]
    while pending:
        name, owner = pending.pop()
        entry = wanted.packages[name]
        key = _TOP + name
        there = packages.get(key) or placed.get(key)
        if there is not None:
            if there["version"] == entry["version"] and not _is_partial(there):
                continue
            key = f"{_TOP}{owner}/{_TOP}{name}" if owner else key
        placed[key] = entry
        pending += [(brought, owner or name) for brought in entry.get("dependencies", {})]
    return placed


def _is_partial(entry: Mapping[str, Any]) -> bool:
    return any(entry.get(flag) for flag in _NOT_ALWAYS_INSTALLED)


def _with_dependencies(
    holder: typescript.Place, content: bytes, missing: Mapping[str, str]
) -> list[Splice]:
    new = {name: json.dumps(version) for name, version in missing.items()}
    section = typescript.properties(holder).get("dependencies")
    if section is not None:
        return _insertions(section, content, new)
    step = _step(content)
    inner = _member_indent(holder, content)
    lines = ",\n".join(f'{inner}{step}"{name}": {version}' for name, version in new.items())
    return _insertions(holder, content, {"dependencies": f"{{\n{lines}\n{inner}}}"})


def _insertions(section: typescript.Place, content: bytes, new: Mapping[str, str]) -> list[Splice]:
    """Return splices that add members, each after the last existing name that sorts before it."""
    members = typescript.properties(section)
    blank = _member_indent(section, content)
    written = {name: f"\n{blank}{json.dumps(name)}: {value}" for name, value in new.items()}
    if not members:
        closing = "\n" + indentation(content, section.start)
        text = "{" + ",".join(written[name] for name in sorted(written)) + closing + "}"
        return [Splice(start=section.start, end=section.end, text=text)]
    splices = []
    for name in sorted(written):
        before = [value for other, value in members.items() if other < name]
        if before:
            at = max(value.end for value in before)
            splices.append(Splice(start=at, end=at, text="," + written[name]))
        else:
            at = section.start + 1
            splices.append(Splice(start=at, end=at, text=written[name] + ","))
    return splices


def _entry(value: Mapping[str, Any], content: bytes, section: typescript.Place) -> str:
    text = json.dumps(value, indent=_step(content))
    return text.replace("\n", "\n" + _member_indent(section, content))


def _member_indent(section: typescript.Place, content: bytes) -> str:
    return indentation(content, section.start) + _step(content)


def _step(content: bytes) -> str:
    """Return one level of indentation: what the first indented line starts with."""
    lines: Iterable[bytes] = content.splitlines()
    first = next((line for line in lines if line[:1] in {b" ", b"\t"}), b"  x")
    return first[: len(first) - len(first.lstrip())].decode()


def _whole(content: bytes) -> typescript.Place:
    text = content.decode()
    return typescript.Place(start=0, end=len(content), line=1, text=text, kind="object")


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(json_reader.loads(content), dict)
    except ValueError:
        return False


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
