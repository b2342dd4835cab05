"""Dependencies are added to manifests and locks without touching other bytes."""

import json
from pathlib import PurePosixPath

import pytest

from closeout.formats import npm
from closeout.fs.tree import MemoryTree
from closeout.model import Reason

SERVICE = PurePosixPath("svc")
WANTED = npm.Dependencies(
    versions={"limiter": "2.0.0"},
    packages={
        "limiter": {"version": "2.0.0", "dependencies": {"ms": "^2.1.0"}},
        "ms": {"version": "2.1.3"},
    },
)


def _manifest(**dependencies: str) -> bytes:
    return json.dumps({"name": "svc", "dependencies": dependencies}, indent=4).encode()


def _lock(**packages: dict[str, object]) -> bytes:
    listed = {f"node_modules/{name}": entry for name, entry in packages.items()}
    root: dict[str, object] = {"name": "svc", "dependencies": {"express": "5.0.0"}}
    return json.dumps({"lockfileVersion": 3, "packages": {"": root, **listed}}, indent=4).encode()


def _after(files: dict[str, bytes], name: str) -> dict[str, dict[str, object]]:
    edits, unresolved = npm.add(MemoryTree(files), SERVICE, WANTED)
    assert unresolved == ()
    content = next(edit.after for edit in edits if edit.path.name == name)
    found: dict[str, dict[str, object]] = json.loads(content)
    return found


def test_add_sorts_the_name_into_the_manifest() -> None:
    """The new line stands where npm would put it, at the manifest's own indentation."""
    tree = MemoryTree({"svc/package.json": _manifest(express="5.0.0", pg="8.0.0")})
    (edit,), unresolved = npm.add(tree, SERVICE, WANTED)
    expected = b'"5.0.0",\n        "limiter": "2.0.0",\n        "pg"'
    assert expected in edit.after
    assert unresolved == ()


@pytest.mark.parametrize("content", [b'{\n  "name": "svc"\n}\n', b'{"dependencies": {}}'])
def test_add_makes_the_section_when_it_is_missing_or_empty(content: bytes) -> None:
    """A manifest without dependencies gets them."""
    files = {"svc/package.json": content}
    assert _after(files, "package.json")["dependencies"] == {"limiter": "2.0.0"}


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({}, "node_modules/ms"),
        ({"ms": {"version": "2.0.0"}}, "node_modules/limiter/node_modules/ms"),
        ({"ms": {"version": "2.1.3", "dev": True}}, "node_modules/limiter/node_modules/ms"),
    ],
    ids=["absent", "another-version", "development-only"],
)
def test_add_places_what_a_dependency_brings(
    present: dict[str, dict[str, object]], expected: str
) -> None:
    """A package that the lock holds differently goes below the one that needs it."""
    files = {
        "svc/package.json": _manifest(express="5.0.0"),
        "svc/package-lock.json": _lock(**present),
    }
    packages = _after(files, "package-lock.json")["packages"]
    assert packages[expected] == {"version": "2.1.3"}


def test_add_reuses_what_the_lock_has_at_the_same_version() -> None:
    """Nothing is listed twice."""
    lock = _lock(ms={"version": "2.1.3"})
    files = {"svc/package.json": _manifest(express="5.0.0"), "svc/package-lock.json": lock}
    packages = _after(files, "package-lock.json")["packages"]
    assert [name for name in packages if name.endswith("ms")] == ["node_modules/ms"]


def test_add_does_nothing_when_the_name_is_listed() -> None:
    """A second run adds nothing."""
    tree = MemoryTree({"svc/package.json": _manifest(limiter="^2.3.0")})
    assert npm.add(tree, SERVICE, WANTED) == ((), ())


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"svc/package.json": b"{"}, Reason.UNPARSABLE),
        ({"svc/other.json": b"{}"}, Reason.MISSING),
        ({"svc/package.json": _manifest(limiter="1.9.0")}, Reason.DRIFTED),
        ({"svc/package.json": _manifest(), "svc/yarn.lock": b""}, Reason.DRIFTED),
        ({"svc/package.json": _manifest(), "svc/package-lock.json": b"{}"}, Reason.DRIFTED),
    ],
    ids=["broken", "missing", "older-major", "other-lock", "old-lock"],
)
def test_add_says_why_it_refuses(files: dict[str, bytes], reason: Reason) -> None:
    """What cannot be kept in step is left to the project's own package manager."""
    _, unresolved = npm.add(MemoryTree(files), SERVICE, WANTED)
    assert [item.reason for item in unresolved] == [reason]
