"""Kustomizations are read strictly: references exist, and patches reach something."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.formats import kustomize
from closeout.fs.tree import MemoryTree

BASE = b"kind: Kustomization\nresources:\n  - a.yaml\n  - b.yaml\n"
OBJECT = b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n"
OVERLAY = """kind: Kustomization
resources:
  - ../base
patches:
  - target:
      kind: Namespace
      name: one
    patch: |-
      - op: replace
        path: /metadata/name
        value: one-dev
      - op: add
        path: /metadata/labels
        value: {a: b}
"""


def _read(overlay: str, **more: bytes) -> kustomize.Built:
    files = {
        "base/kustomization.yaml": BASE,
        "base/a.yaml": OBJECT % b"one",
        "base/b.yaml": OBJECT % b"two",
        "dev/kustomization.yaml": overlay.encode(),
    }
    return kustomize.read(MemoryTree(files | more), PurePosixPath("dev/kustomization.yaml"))


def test_read_applies_patches_when_the_target_is_there() -> None:
    """Only the target changes, and nothing is wrong."""
    built = _read(OVERLAY)
    assert [item["metadata"] for item in built.objects] == [
        {"name": "one-dev", "labels": {"a": "b"}},
        {"name": "two"},
    ]
    assert built.problems == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("../base", "../bass", 3, "../bass is listed, and neither"),
        ("../base", "../../base", 3, "../../base is listed"),
        ("../base", ".", 3, ". leads back to itself"),
        ("name: one\n", "name: three\n", 5, "no object is the target Namespace three"),
        ("kind: Namespace", "kind: Secret", 5, "no object is the target Secret one"),
        ("/metadata/name\n", "/metadata/title\n", 5, "has no /metadata/title to replace"),
        ("op: replace", "op: remove", 5, ""),
        (
            "    patch: |-\n      -",
            "    path: gone.yaml\n    patch2: |-\n      -",
            5,
            "gone.yaml does",
        ),
    ],
)
def test_read_names_the_line_when_something_is_not_there(
    old: str, new: str, line: int, message: str
) -> None:
    """A missing resource, a way round, a target and a field that are not there are told."""
    assert old in OVERLAY
    built = _read(OVERLAY.replace(old, new, 1))
    if not message:
        assert built.problems == ()
        assert "name" not in built.objects[0]["metadata"]
        return
    assert any(found == line and message in text for found, text in built.problems)


def test_read_leaves_other_repositories_alone() -> None:
    """Near misses: an address is not looked up, and a merged patch is only matched."""
    overlay = OVERLAY.replace("  - ../base", "  - ../base\n  - https://example.test/base").replace(
        "name: one\n    patch: |-", "name: two\n    patch: |-"
    )
    merged = OVERLAY.split("patches:", maxsplit=1)[0] + (
        "patches:\n  - patch: |-\n      kind: Namespace\n      metadata: {name: two}\n"
    )
    assert _read(overlay).problems == ()
    assert _read(merged).problems == ()
    assert [text for _, text in _read("a: [").problems] == ["it is empty, or no YAML"]


def test_read_tells_a_patch_that_is_no_yaml() -> None:
    """One that does not parse stops no other: kustomize would refuse it."""
    broken = OVERLAY.replace("value: {a: b}", "value: {a: b")
    (problem,) = _read(broken).problems
    assert problem[1] == "the patch in it is no YAML"
