"""Ask a tree a question once, for as long as it stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from closeout.fs.tree import Overlay
from closeout.model import Tree

Answer = TypeVar("Answer")

_answers: WeakKeyDictionary[Tree, dict[Callable[[Any], Any], tuple[int, Any]]] = WeakKeyDictionary()


def once(tree: Tree, question: Callable[[Tree], Answer]) -> Answer:
    """Return what `question` says of `tree`; asked again where an edit was laid in between.

    A function of a module is a question; one made on the spot would be asked each time.
    """
    known = _answers.setdefault(tree, {})
    state = _laid(tree)
    if question not in known or known[question][0] != state:
        known[question] = (state, question(tree))
    answer: Answer = known[question][1]
    return answer


def _laid(tree: Tree) -> int:
    """Return how many edits were laid so far, over a tree and over those below it."""
    count = 0
    while isinstance(tree, Overlay):
        count += tree.laid
        tree = tree.base
    return count
