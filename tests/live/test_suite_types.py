"""The billing suites pass the type check of a service whose build takes its tests in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from closeout import process
from closeout.fs import writer
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.billing_tests import GAP
from closeout.gaps.billing_tests.suites import BILLING_SERVICE
from closeout.harness import node
from closeout.model import Tree
from closeout.resources import BUNDLE
from tests.support import foreign_services

pytestmark = [pytest.mark.live, pytest.mark.needs("npm")]

_OPTIONS = {
    "target": "ES2020",
    "module": "commonjs",
    "strict": True,
    "esModuleInterop": True,
    "skipLibCheck": True,
    "noEmit": True,
}
_MORE = ("noUncheckedIndexedAccess", "noUnusedLocals", "noUnusedParameters", "noImplicitReturns")


def _reference(root: Path) -> Tree:
    """Return the reference's service alone, whose packages a session installs once for both."""
    home = BUNDLE / "reference" / "farmiq" / BILLING_SERVICE
    writer.copy_tree(DiskTree(home), root / BILLING_SERVICE)
    return DiskTree(root)


def _foreign(_: Path) -> Tree:
    return MemoryTree(foreign_services.files(BILLING_SERVICE))


def _errors(folder: Path, packages: Path, options: dict[str, object]) -> list[str]:
    """Return what tsc says of the service's tests: what its sources import may be missing here."""
    settings = {"compilerOptions": options, "include": ["src/**/*.ts", "tests/**/*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    ran = process.run([packages / ".bin" / "tsc", "-p", "."], cwd=folder, deadline=300.0)
    assert ran.ok or "error TS" in ran.out, ran.out + ran.err
    return [line for line in ran.out.splitlines() if line.startswith("tests/")]


@pytest.mark.parametrize("made", [_reference, _foreign])
def test_a_suite_passes_a_strict_type_check(made: object, cache: Path, tmp_path: Path) -> None:
    """Jest runs what tsc refuses, and an image whose build is tsc then stays unbuilt.

    A file that is wrong is told, so the check does look at the tests.
    """
    assert callable(made)
    overlay = Overlay(made(tmp_path / "before"))
    for changeset in GAP.fix(overlay):
        for edit in changeset.edits:
            overlay.lay(edit)
    writer.copy_tree(overlay, tmp_path / "after")
    folder = tmp_path / "after" / BILLING_SERVICE
    packages = node.install(folder, cache)
    (folder / "node_modules").symlink_to(packages)

    assert len(list((folder / "tests").glob("*.test.ts"))) > len(("invoice", "payment"))
    assert _errors(folder, packages, _OPTIONS) == []
    assert _errors(folder, packages, {**_OPTIONS, **dict.fromkeys(_MORE, True)}) == []
    (folder / "tests" / "wrong.test.ts").write_text("export const days: number = 'one';\n")
    assert [line.partition("(")[0] for line in _errors(folder, packages, _OPTIONS)] == [
        "tests/wrong.test.ts"
    ]
