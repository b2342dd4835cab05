"""A question is put to a tree once, and again where the tree shows something else."""

from pathlib import PurePosixPath

from closeout.fs.once import once
from closeout.fs.tree import MemoryTree, Overlay
from closeout.model import Edit, Tree

asked: list[Tree] = []


def _words(tree: Tree) -> bytes | None:
    asked.append(tree)
    return tree.read("a")


def _edit(before: bytes, after: bytes) -> Edit:
    return Edit(path=PurePosixPath("a"), before=before, after=after)


def test_tree_that_stays_as_it_is_is_asked_once() -> None:
    """Another tree of the same files is another one."""
    asked.clear()
    tree, twin = MemoryTree({"a": b"1"}), MemoryTree({"a": b"1"})
    assert [once(tree, _words), once(tree, _words), once(twin, _words)] == [b"1"] * 3
    assert asked == [tree, twin]


def test_tree_is_asked_again_where_an_edit_was_laid() -> None:
    """Over it, or over a tree below it; putting it back is an edit as well."""
    asked.clear()
    below = Overlay(MemoryTree({"a": b"1"}))
    above = Overlay(below)
    assert (once(above, _words), once(above, _words)) == (b"1", b"1")
    below.lay(_edit(b"1", b"2"))
    assert (once(above, _words), once(below, _words)) == (b"2", b"2")
    above.lay(_edit(b"2", b"3"))
    assert once(above, _words) == b"3"
    above.lay(_edit(b"3", b"2"))
    assert once(above, _words) == b"2"
    assert asked == [above, above, below, above, above]
