"""A module that a fix added and somebody deleted: what imports it is never judged closed."""

import json
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli.commands import audit, detect, fix
from closeout.cli.commands import report as reporting
from closeout.engine import patch_series, planner, rules
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps import GAPS
from closeout.model import Reason
from closeout.runs.workspace import REFERENCE
from tests.support import hostile
from tests.support.monorepos import space_for

IMPORTED = {
    "corsOrigins.ts": ("cors", "1.3"),
    "requiredSecret.ts": ("factory-secret", "4.1"),
    "factorySecret.ts": ("factory-secret", "4.2"),
    "authFailureStore.ts": ("rate-limit", "2.1"),
    "authRateLimiter.ts": ("rate-limit", "2.1"),
}
"""Modules of fixes in TypeScript, and the criterion that each closes."""


@pytest.fixture(scope="module")
def fixed() -> dict[str, bytes]:
    """Return the files of the reference as a fix leaves them."""
    tree = DiskTree(REFERENCE)
    plan = planner.plan(GAPS, tree, lambda slug: patch_series.load(fix.PATCHES, slug))
    files = {path: tree.read(path) for path in tree.paths()}
    files |= {edit.path: edit.after for edit in plan.edits}
    return {str(path): content for path, content in files.items() if content is not None}


@pytest.mark.parametrize("name", IMPORTED)
def test_import_of_a_deleted_module_is_told_at_its_line(fixed: dict[str, bytes], name: str) -> None:
    """The whole tree had nothing of the kind to tell."""
    slug, criterion = IMPORTED[name]
    (gap,) = detect.select(slug)
    gone = next(path for path in fixed if PurePosixPath(path).name == name)
    told = {}
    for state, files in (("whole", fixed), ("lost", {**fixed})):
        if state == "lost":
            del files[gone]
        told[state] = {
            item
            for check in rules.checks(gap, MemoryTree(files))
            if check.criterion == criterion
            for item in check.unresolved
        }
    new = told["lost"] - told["whole"]
    assert new
    for item in new:
        line = fixed[str(item.path)].decode().splitlines()[item.line - 1]
        assert item.reason is not Reason.MISSING or PurePosixPath(name).stem in line


def test_every_command_that_judges_tells_a_deleted_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Detect, the next fix, the report and the audit; none of them ends with 0 or 4."""
    root = hostile.small_monorepo(tmp_path / "root")
    space = space_for(tmp_path, root)
    fix.fix(space, GAPS)
    (lost,) = root.rglob("corsOrigins.ts")
    lost.unlink()
    for judge in (
        lambda: detect.detect(space, GAPS),
        lambda: reporting.build(space),
        lambda: audit.quick(space),
        lambda: fix.fix(space, GAPS),
    ):
        capsys.readouterr()
        assert judge() == 1
        assert "corsOrigins" in capsys.readouterr().out
    report = json.loads((tmp_path / "reports/latest/report.json").read_bytes())
    assert {row["id"]: row["verdict"] for row in report["criteria"]}["1.3"] in {"DRIFTED", "OPEN"}
