"""A close-out looks at each state of the tree once a gap: before, as staged, and after."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from closeout.cli.commands import fix
from closeout.engine import rules
from closeout.errors import ExitCode
from closeout.fs import transaction
from closeout.fs.tree import digest
from closeout.gaps import GAPS
from closeout.model import Check, Edit, Gap, Tree
from tests.support.monorepos import reference_copy, space_for


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """Count how often each gap's rules run over each state of a tree."""
    counted: Counter[tuple[str, str]] = Counter()
    honest = rules.checks

    def checks(gap: Gap, tree: Tree) -> tuple[Check, ...]:
        counted[gap.slug, digest(tree)] += 1
        return honest(gap, tree)

    monkeypatch.setattr(rules, "checks", checks)
    return counted


def test_fix_looks_once_before_and_once_after(
    tmp_path: Path, passes: Counter[tuple[str, str]]
) -> None:
    """What was found on a tree as planned is not sought again on the tree as written."""
    space = space_for(tmp_path, reference_copy(tmp_path / "farmiq"))
    assert fix.fix(space, GAPS) is ExitCode.UNPROVEN
    after = digest(fix.DiskTree(space.root))
    assert {slug for slug, state in passes if state == after} == {gap.slug for gap in GAPS}
    assert max(passes.values()) <= 2
    assert sum(passes.values()) <= 3 * len(GAPS)
    written = Counter(passes)
    assert fix.fix(space, GAPS) is ExitCode.UNPROVEN
    again = passes - written
    assert again == Counter({(gap.slug, after): 1 for gap in GAPS})


def test_fix_looks_again_where_the_tree_is_not_as_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: Counter[tuple[str, str]]
) -> None:
    """A file that somebody adds while the plan is written is seen."""
    root = reference_copy(tmp_path / "farmiq")
    honest = transaction.commit

    def commit(place: Path, edits: Sequence[Edit], **more: Any) -> None:  # noqa: ANN401 - as given
        honest(place, edits, **more)
        (place / "cloud-layer/late.txt").write_text("new")

    monkeypatch.setattr(transaction, "commit", commit)
    fix.fix(space_for(tmp_path, root), GAPS)
    after = digest(fix.DiskTree(root))
    assert {slug for slug, state in passes if state == after} == {gap.slug for gap in GAPS}
