"""Dependencies are added to manifests and locks without touching other bytes."""

import json
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from closeout.formats import npm
from closeout.fs import json_reader
from closeout.fs.tree import MemoryTree
from closeout.model import Reason
from closeout.resources import BUNDLE

SERVICE = PurePosixPath("svc")
MANIFESTS = sorted(BUNDLE.joinpath("reference/farmiq").rglob("package.json"))
MIXED = b"""{
    "name":  "svc",
    "scripts":  {
                    "build":  "tsc \\u0026\\u0026 cp a b",
                    "test": "jest"
                },
    "keywords":  [

                 ],
    "dependencies":  { "express":  "5.0.0" }
}
"""
"""Written by several programs: no indent and no separator gives it back."""
WANTED = npm.Dependencies(
    versions={"limiter": "2.0.0"},
    packages={
        "limiter": {"version": "2.0.0", "dependencies": {"ms": "^2.1.0"}},
        "ms": {"version": "2.1.3"},
    },
)
ONE = npm.Dependencies(
    versions={"zz-limiter": "2.0.0"}, packages={"zz-limiter": {"version": "2.0.0"}}
)


def _manifest(**dependencies: str) -> bytes:
    return json.dumps({"name": "svc", "dependencies": dependencies}, indent=4).encode()


def _lock(**packages: dict[str, object]) -> bytes:
    listed = {f"node_modules/{name}": entry for name, entry in packages.items()}
    root: dict[str, object] = {"name": "svc", "dependencies": {"express": "5.0.0"}}
    return json.dumps({"lockfileVersion": 3, "packages": {"": root, **listed}}, indent=4).encode()


def _with_lock(lock: bytes) -> dict[str, bytes]:
    return {"svc/package.json": _manifest(), "svc/package-lock.json": lock}


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


CROWDED: dict[str, dict[str, object]] = {
    "express": {"version": "5.0.0"},
    "limiter": {"version": "1.6.0", "dependencies": {"ms": "2.0.0"}},
    "limiter/node_modules/ms": {"version": "2.0.0"},
    "limiter-json": {"version": "1.0.0", "peerDependencies": {"limiter": "^1.0.0"}},
    "queue": {"version": "4.0.0", "dependencies": {"limiter": "1.6.0", "limiter-json": "1.0.0"}},
}
"""Another version stands at the top, with a plug-in, for one package."""


@pytest.mark.parametrize(("folder", "member"), [("svc", ""), (".", "svc")])
@pytest.mark.needs("node")
def test_npm_accepts_what_is_left_when_the_lock_holds_another_version(
    tmp_path: Path, folder: str, member: str
) -> None:
    """No key stands twice, and npm finds every package where it looks for it.

    Of the kind: a workspace whose lock stands above it, plug-ins that ask for their peer, what is
    there for development only (below).
    """
    dependencies = {"express": "5.0.0", "queue": "4.0.0"}
    lock = json.loads(_lock(**CROWDED))
    lock["packages"][""]["dependencies"] = dependencies
    files = {"svc/package.json": _manifest(**dependencies)}
    if member:
        lock["packages"] |= {
            "": {"name": "all", "workspaces": ["svc"]},
            "svc": {"name": "svc", "dependencies": dependencies},
            "node_modules/svc": {"resolved": "svc", "link": True},
        }
        files["package.json"] = b'{"name": "all", "workspaces": ["svc"]}'
    files[f"{folder}/package-lock.json".removeprefix("./")] = json.dumps(lock, indent=2).encode()
    edits, unresolved = npm.add(MemoryTree(files), SERVICE, WANTED)
    assert (unresolved, len(edits)) == ((), 2)
    for path, content in {**files, **{str(edit.path): edit.after for edit in edits}}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (after,) = [edit.after for edit in edits if edit.path.name == "package-lock.json"]
    json_reader.loads(after, json_reader.unique)
    listed = subprocess.run(
        ["npm", "ls", "--package-lock-only", "--all", "--offline"],
        cwd=tmp_path / folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr


@pytest.mark.parametrize(
    "more",
    [
        {"second": {"version": "1.0.0", "dependencies": {"limiter": "1.6.0"}}},
        {"limiter": {"version": "2.0.0", "dev": True}},
    ],
    ids=["for-two", "for-development"],
)
def test_add_leaves_a_lock_that_has_to_be_resolved_anew(more: dict[str, dict[str, object]]) -> None:
    """Where entries would have to be doubled or lose a mark, only npm knows what follows."""
    files = {**_with_lock(_lock(**{**CROWDED, **more})), "svc/package.json": _manifest()}
    edits, (left,) = npm.add(MemoryTree(files), SERVICE, WANTED)
    assert "the lock holds" in left.detail
    assert [edit.path.name for edit in edits] == ["package.json"]


def test_add_refuses_a_workspace_of_another_manager() -> None:
    """The lock of a workspace stands above it; a stranger's lock above says nothing."""
    held = {"svc/package.json": _manifest(), "pnpm-lock.yaml": b""}
    edits, unresolved = npm.add(MemoryTree({**held, "pnpm-workspace.yaml": b""}), SERVICE, WANTED)
    assert [str(item.path) for item in unresolved] == ["pnpm-lock.yaml"]
    assert len(edits) == 1
    assert npm.add(MemoryTree(held), SERVICE, WANTED)[1] == ()


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
        ({"svc/package.json": b"[]"}, Reason.UNPARSABLE),
        ({"svc/package.json": b'{"dependencies": ["a"]}'}, Reason.UNPARSABLE),
        ({"svc/package.json": b'{"dependencies": null}'}, Reason.UNPARSABLE),
        ({"svc/package.json": b'{"dependencies": {"limiter": 2}}'}, Reason.UNPARSABLE),
        ({"svc/package.json": '{"name": "svc"}'.encode("utf-16")}, Reason.UNPARSABLE),
        ({"svc/package.json": b'{"name": "a", "name": "b"}'}, Reason.AMBIGUOUS),
        ({"svc/package.json": b'{"dependencies": {}, "dependencies": {}}'}, Reason.AMBIGUOUS),
        (_with_lock(b'{"packages": {"": {}, "": {}}}'), Reason.AMBIGUOUS),
        (_with_lock(b'{"packages": {"": []}}'), Reason.DRIFTED),
        (_with_lock(b'{"packages": {"": {}, "node_modules/ms": "2"}}'), Reason.DRIFTED),
        (_with_lock(b'["packages"]'), Reason.DRIFTED),
    ],
    ids=[
        *("broken", "missing", "older-major", "other-lock", "old-lock", "list", "listed"),
        *("null", "number", "utf-16", "repeated", "repeated-section", "repeated-in-lock"),
        *("root-list", "text-entry", "lock-list"),
    ],
)
def test_add_says_why_it_refuses(files: dict[str, bytes], reason: Reason) -> None:
    """What cannot be kept in step is left to the project's own package manager."""
    _, unresolved = npm.add(MemoryTree(files), SERVICE, WANTED)
    assert [item.reason for item in unresolved] == [reason]


def _taken_out(content: bytes, before: bytes) -> bytes:
    """Return `content` without what it has more than `before`, which has to be in one piece."""
    start = next(at for at in range(len(content)) if content[at : at + 1] != before[at : at + 1])
    return content[:start] + content[start + len(content) - len(before) :]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_add_leaves_every_other_byte_of_the_reference_alone(manifest: Path) -> None:
    """The new lines are all that differs, whatever the file's indent and line ending are."""
    files = {f"svc/{path.name}": path.read_bytes() for path in manifest.parent.glob("package*")}
    edits, unresolved = npm.add(MemoryTree(files), SERVICE, ONE)
    assert unresolved == ()
    assert [edit.path.name for edit in edits] == ["package.json", "package-lock.json"]
    for edit in edits:
        before = edit.before or b""
        value, after = json.loads(before), json.loads(edit.after)
        holder = after.get("packages", {"": after})
        assert holder[""]["dependencies"].pop("zz-limiter") == "2.0.0"
        holder.pop("node_modules/zz-limiter", None)
        assert after == value
        assert _is_kept(before, edit.after)


def _is_kept(before: bytes, after: bytes) -> bool:
    """Return whether every byte of `before` is still there, in its order."""
    rest = iter(after)
    return all(byte in rest for byte in before)


def test_add_keeps_what_no_writer_of_json_gives_back() -> None:
    """Mixed separators, escapes and indents stay: only the new line is the project's own."""
    (edit,), unresolved = npm.add(MemoryTree({"svc/package.json": MIXED}), SERVICE, WANTED)
    assert unresolved == ()
    assert _taken_out(edit.after, MIXED) == MIXED
    assert json.loads(edit.after)["dependencies"] == {"express": "5.0.0", "limiter": "2.0.0"}


def test_add_passes_over_a_lock_entry_without_a_version() -> None:
    """A link to a workspace has none; what is wanted goes below its dependant."""
    files = _with_lock(_lock(ms={"resolved": "packages/ms", "link": True}))
    packages = _after(files, "package-lock.json")["packages"]
    assert packages["node_modules/limiter/node_modules/ms"] == {"version": "2.1.3"}
