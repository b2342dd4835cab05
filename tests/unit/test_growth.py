"""A plan's work grows with the tree and no faster; it is counted, never timed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from closeout.cli.commands import fix
from closeout.engine import patch_series, planner, rules
from closeout.fs import tree
from closeout.fs.safe_open import open_below
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.parsing import fastapi, python, typescript
from closeout.runs.workspace import REFERENCE
from tools.bench import trees

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each file is opened."""
    seen: Counter[str] = Counter()

    def counted(root: Path, path: PurePosixPath) -> int:
        handle = open_below(root, path)
        seen[str(path)] += 1
        return handle

    monkeypatch.setattr(tree, "open_below", counted)
    return seen


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the generated trees a tenth as large."""
    kinds = tuple(replace(kind, files=kind.files // 10) for kind in trees.KINDS)
    monkeypatch.setattr(trees, "KINDS", kinds)


@pytest.mark.usefixtures("small")
def test_plan_opens_each_file_once_and_finds_what_it_finds_without_filler(
    tmp_path: Path, opened: Counter[str]
) -> None:
    """Filler hides no gap and adds none, and no file of the tree is read a second time."""
    grown = DiskTree(trees.generate(tmp_path / "tree", 1))
    opened.clear()
    plan = planner.plan(GAPS, grown, lambda slug: patch_series.load(fix.PATCHES, slug))
    assert opened
    assert [path for path, times in opened.items() if times > 1] == []
    bare = planner.plan(
        GAPS, DiskTree(REFERENCE), lambda slug: patch_series.load(fix.PATCHES, slug)
    )
    assert {edit.path: edit.after for edit in plan.edits} == {
        edit.path: edit.after for edit in bare.edits
    }
    for slug, checks in bare.before.items():
        assert rules.findings(plan.before[slug]) == rules.findings(checks)


@pytest.mark.usefixtures("small")
def test_detection_opens_and_parses_in_proportion(tmp_path: Path, opened: Counter[str]) -> None:
    """Three times the filler is at most three times the opened files and the parsed ones."""
    work = {}
    for times in (0, 1, 3):
        grown = DiskTree(trees.generate(tmp_path / str(times), times))
        python.parse.cache_clear()
        typescript.read.cache_clear()
        vars(fastapi)["_remembered"].cache_clear()
        opened.clear()
        planner.detect(GAPS, grown)
        parsed = python.parse.made + typescript.read.made
        work[times] = (opened.total(), parsed)
    for bare, once, thrice in zip(*work.values(), strict=True):
        assert bare < once < thrice
        assert thrice - bare <= 3 * (once - bare) + 3  # not every third file holds a bait


def test_tree_without_candidates_loads_no_parser(tmp_path: Path) -> None:
    """Prose and styles cost a look, not an import."""
    (tmp_path / "README.md").write_text("# Notes\n")
    (tmp_path / "index.ts").write_text("export const level = 1;\n")
    (tmp_path / "job.py").write_text("print(1)\n")
    script = (
        "import sys; from pathlib import Path; from closeout.engine import planner\n"
        "from closeout.gaps import GAPS; from closeout.fs.tree import DiskTree\n"
        "planner.detect(GAPS, DiskTree(Path(sys.argv[1])))\n"
        "heavy = {'sqlglot', 'tree_sitter', 'yaml', 'jsonschema', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path], check=True, capture_output=True, text=True
    )
    assert ended.stdout.strip() == "[]"
