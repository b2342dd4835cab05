"""Ask a tree a question once, for as long as all that the answer was read from stays as it is.

What a question reads is noted, so it is asked again where one of these files was edited and
nowhere else: over an overlay, over another one on the same tree, before a fix and after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from closeout.fs.reading import NotingTree, Seen, State, holds
from closeout.fs.tree import Overlay, state
from closeout.model import Tree

Answer = TypeVar("Answer")
Rest = ParamSpec("Rest")

_MOST = 6
"""Answers to one question that are kept: before a fix, on its stage, after it, and some between."""
is_on = True
"""Where it is off, every question is asked each time: tests compare."""


@dataclass(slots=True)
class _Known(Generic[Answer]):
    answer: Answer
    seen: Seen
    states: set[State] = field(default_factory=set)
    """The states of the tree in which all that was seen is known to hold."""


_known: WeakKeyDictionary[Tree, dict[Any, list[_Known[Any]]]] = WeakKeyDictionary()
"""By the tree below all overlays."""


def once(
    question: Callable[Concatenate[Tree, Rest], Answer],
) -> Callable[Concatenate[Tree, Rest], Answer]:
    """Return a question of a tree, and of what else it is given, that remembers its answers.

    An answer must not change, nor hold on to the tree: it is given out for other trees as well.
    Where what it is asked with cannot be hashed, it is asked each time.
    """

    def asked(tree: Tree, /, *rest: Rest.args, **words: Rest.kwargs) -> Answer:
        if not is_on:
            return question(tree, *rest, **words)
        plain = tree.tree if isinstance(tree, NotingTree) else tree
        key = (question, rest, *words.items())
        try:
            held = _known.setdefault(_bottom(plain), {}).setdefault(key, [])
        except TypeError:
            return question(tree, *rest, **words)
        now = state(plain)
        known = next((item for item in held if _is_valid(item, plain, now)), None)
        if known is None:
            reading = NotingTree(plain)
            try:
                known = _Known(question(reading, *rest, **words), reading.seen, {now})
            finally:
                _pass_on(tree, reading.seen)
            del held[_MOST - 1 :]
        else:
            _pass_on(tree, known.seen)
            held.remove(known)
        held.insert(0, known)
        answer: Answer = known.answer
        return answer

    update_wrapper(asked, question)
    return asked


def _is_valid(item: _Known[Any], tree: Tree, now: State) -> bool:
    if now not in item.states and holds(tree, item.seen):
        item.states.add(now)
    return now in item.states


def _pass_on(tree: Tree, seen: Seen) -> None:
    """Tell the question on whose behalf another one is asked what that one rests on."""
    if isinstance(tree, NotingTree):
        tree.seen.update(seen)
        return
    while isinstance(tree, Overlay):
        if isinstance(tree.base, NotingTree):  # it looks through the edits laid over it
            holds(tree, seen)
        tree = tree.base


def _bottom(tree: Tree) -> Tree:
    while isinstance(tree, Overlay | NotingTree):
        tree = tree.base if isinstance(tree, Overlay) else tree.tree
    return tree
