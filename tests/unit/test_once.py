"""A question is put to a tree once, and again where the tree shows something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest

from closeout.cli.commands.fix import PATCHES
from closeout.engine import patch_series, planner
from closeout.fs import once as memory
from closeout.fs import prefilter
from closeout.fs.once import once
from closeout.fs.tree import DiskTree, MemoryTree, Overlay, below
from closeout.gaps import GAPS
from closeout.model import Edit, Tree
from closeout.runs.workspace import REFERENCE

asked: list[str] = []
HOLDS_X = prefilter.question((".x",), lambda content: b"X" in content)


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    asked.clear()


@once
def words(tree: Tree, path: str = "a") -> bytes | None:
    """Read one file."""
    asked.append(path)
    return tree.read(path)


@once
def both(tree: Tree) -> tuple[bytes | None, bytes | None]:
    """Ask another question, and read a file of its own."""
    asked.append("both")
    return words(tree), tree.read("b")


@once
def changed(tree: Tree) -> bytes | None:
    """Ask another question of the tree with an edit of its own."""
    asked.append("changed")
    overlay = Overlay(tree, [Edit(path=PurePosixPath("own"), before=None, after=b"own")])
    return words(overlay)


@once
def listed(tree: Tree) -> tuple[int, ...]:
    """Ask for paths in every way that is not all of them."""
    asked.append("listed")
    return (
        len(below(tree, PurePosixPath("folder"))),
        len(tree.ending(frozenset({".x"}))),
        len(tree.candidates(HOLDS_X)),
    )


@once
def counted(tree: Tree) -> int:
    """Ask for all paths."""
    asked.append("counted")
    return len(tree.paths())


def _edit(path: str, before: bytes | None, after: bytes) -> Edit:
    return Edit(path=PurePosixPath(path), before=before, after=after)


def test_tree_that_stays_as_it_is_is_asked_once() -> None:
    """Another tree of the same files is another one; other words make another question."""
    tree, twin = MemoryTree({"a": b"1", "b": b"2"}), MemoryTree({"a": b"1"})
    assert [words(tree), words(tree), words(twin), words(tree, "b")] == [b"1", b"1", b"1", b"2"]
    assert asked == ["a", "a", "b"]


def test_tree_is_asked_again_where_what_was_read_is_another() -> None:
    """Over it, or over a tree below it; where it is put back, the answer is still known."""
    lower = Overlay(MemoryTree({"a": b"1"}))
    above = Overlay(lower)
    assert (words(above), words(lower)) == (b"1", b"1")
    lower.lay(_edit("a", b"1", b"2"))
    assert (words(above), words(lower)) == (b"2", b"2")
    above.lay(_edit("a", b"2", b"3"))
    assert words(above) == b"3"
    above.lay(_edit("a", b"3", b"2"))
    assert words(above) == b"2"
    lower.lay(_edit("a", b"2", b"1"))
    assert (words(above), words(lower)) == (b"1", b"1")
    assert asked == ["a"] * 3


def test_file_that_comes_or_goes_is_something_else() -> None:
    """What was looked for in vain was read as well."""
    tree = Overlay(MemoryTree({"b": b"2"}))
    assert words(tree) is None
    tree.lay(_edit("a", None, b"1"))
    assert words(tree) == b"1"
    tree.lay(Edit(path=PurePosixPath("b"), before=b"2", after=b"", removes=True))
    assert words(tree, "b") is None
    assert words(tree) == b"1"
    assert asked == ["a", "a", "b"]


def test_edit_of_what_was_not_read_changes_no_answer() -> None:
    """Not even where it adds a file, unless all paths were asked for."""
    tree = Overlay(MemoryTree({"a": b"1", "folder/b.x": b"X", "other.x": b"-"}))
    assert (words(tree), listed(tree), counted(tree)) == (b"1", (1, 2, 1), 3)
    tree.lay(_edit("folder/b.x", b"X", b"XX"))
    tree.lay(_edit("new", None, b"X"))
    assert (words(tree), listed(tree), counted(tree)) == (b"1", (1, 2, 1), 4)
    assert asked == ["a", "listed", "counted", "counted"]


@pytest.mark.parametrize(
    ("edit", "now"),
    [
        (_edit("folder/new", None, b""), (2, 2, 1)),
        (_edit("new.x", None, b""), (1, 3, 1)),
        (_edit("other.x", b"-", b"X"), (1, 2, 2)),
    ],
)
def test_other_paths_in_answer_are_something_else(edit: Edit, now: Sequence[int]) -> None:
    """Below a folder, with a suffix, or of files that meet a question."""
    tree = Overlay(MemoryTree({"a": b"1", "folder/b.x": b"X", "other.x": b"-"}))
    assert listed(tree) == (1, 2, 1)
    tree.lay(edit)
    assert listed(tree) == now


def test_what_another_question_rests_on_counts_for_both() -> None:
    """Whether the other one was asked on this one's behalf, or was answered before."""
    for is_answered in (False, True):
        tree = Overlay(MemoryTree({"a": b"1", "b": b"2"}))
        known = words(tree) if is_answered else b"1"
        assert both(tree) == (known, b"2")
        tree.lay(_edit("a", b"1", b"3"))
        assert both(tree) == (b"3", b"2")
        tree.lay(_edit("b", b"2", b"4"))
        assert both(tree) == (b"3", b"4")


def test_what_is_asked_of_an_overlay_of_its_own_counts_as_well() -> None:
    """Even where the answer was known before."""
    for is_answered in (False, True):
        tree = Overlay(MemoryTree({"a": b"1"}))
        known = words(tree) if is_answered else b"1"
        assert changed(tree) == known
        tree.lay(_edit("a", b"1", b"3"))
        assert changed(tree) == b"3"


def test_failure_is_no_answer() -> None:
    """It is raised each time."""

    @once
    def fails(tree: Tree) -> None:
        asked.append("fails")
        raise ValueError(tree.read("a"))

    tree = MemoryTree({"a": b"1"})
    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            fails(tree)
    assert asked == ["fails", "fails"]


def test_what_cannot_be_hashed_is_asked_each_time() -> None:
    """A list of words may be another one the next time."""

    @once
    def joined(tree: Tree, names: list[str]) -> bytes:
        asked.append("joined")
        return b"".join(tree.read(name) or b"" for name in names)

    tree = MemoryTree({"a": b"1", "b": b"2"})
    assert [joined(tree, ["a", "b"]), joined(tree, ["a", "b"])] == [b"12", b"12"]
    assert asked == ["joined", "joined"]


def test_plan_is_the_same_without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings, edits, patches and refusals, on the tree as it is and as the plan leaves it."""
    remembering = _planned()
    monkeypatch.setattr(memory, "is_on", False)
    assert remembering == _planned()


def _planned() -> planner.Plan:
    tree = DiskTree(REFERENCE)
    return planner.plan(GAPS, tree, lambda slug: patch_series.load(PATCHES, slug))
