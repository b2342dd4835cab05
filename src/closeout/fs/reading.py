"""Take note of what a tree is asked, so that an answer can say what it rests on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Mapping
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

from closeout.model import FileQuestion, Tree, Unresolved

Asked = Callable[[Tree, Any], Any]
Seen = dict[tuple[Asked, Hashable], Any]
"""What a tree said, by what it was asked."""


State = tuple[int, ...]
"""Another one for each tree with other edits over the same one on disk."""
Answer = TypeVar("Answer")
About = TypeVar("About", bound=Hashable)


class Kept(Generic[Answer]):
    """Answers that hold in one state of a tree."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._state: State | None = None
        self._answers: dict[Hashable, Answer] = {}

    def get(self, state: State, asked: Hashable, make: Callable[[], Answer]) -> Answer:
        """Return the answer that holds in `state`, made where there is none."""
        if self._state != state:
            self._state, self._answers = state, {}
        if asked not in self._answers:
            self._answers[asked] = make()
        return self._answers[asked]


class NotingTree:
    """A tree that keeps what it says."""

    def __init__(self, tree: Tree) -> None:
        """Ask `tree`, which does not keep it."""
        self.tree = tree
        self.seen: Seen = {}

    def ask(self, how: Callable[[Tree, About], Answer], about: About) -> Answer:
        """Return what the tree says, and keep it."""
        said: Answer = how(self.tree, about)
        self.seen[how, about] = said
        return said

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return the tree's paths."""
        return self.ask(said_paths, None)

    def ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        """Return the tree's paths with one of these suffixes."""
        return self.ask(said_ending, suffixes)

    def candidates(self, question: FileQuestion) -> tuple[PurePosixPath, ...]:
        """Return the paths of the tree's files that meet the question."""
        return self.ask(said_candidates, question)

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the file's bytes."""
        return self.ask(said_read, path)

    def sha256(self, path: PurePosixPath) -> bytes:
        """Return the SHA-256 of the file's bytes."""
        return self.ask(said_sha256, path)

    def mode(self, path: PurePosixPath | str) -> int:
        """Return the file's permission bits."""
        return self.ask(said_mode, path)

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return what the tree could not read so far."""
        return self.ask(said_unreadable, None)


def holds(tree: Tree, seen: Mapping[tuple[Asked, Hashable], Any]) -> bool:
    """Return whether `tree` says all that was `seen`."""
    for (how, about), said in seen.items():
        now = how(tree, about)
        if now is not said and now != said:
            return False
    return True


def below(tree: Tree, folder: PurePosixPath) -> tuple[PurePosixPath, ...]:
    """Return the paths of the files below `folder`, sorted; of a tree that keeps it, no more."""
    if isinstance(tree, NotingTree):
        return tree.ask(below, folder)
    return part_below(tree.paths(), folder)


def part_below(
    paths: tuple[PurePosixPath, ...], folder: PurePosixPath
) -> tuple[PurePosixPath, ...]:
    """Return those of sorted paths that are below `folder`."""
    parts = folder.parts
    first = bisect_left(paths, parts, key=lambda path: path.parts)
    end = bisect_right(paths, parts, lo=first, key=lambda path: path.parts[: len(parts)])
    return paths[first:end]


def stands_in(tree: Tree, path: PurePosixPath) -> bool:
    """Return whether `path` is one of the tree's own files, which need not be readable."""
    return path in below(tree, path)


def said_paths(tree: Tree, _: None) -> tuple[PurePosixPath, ...]:
    """Ask for all paths."""
    return tree.paths()


def said_ending(tree: Tree, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
    """Ask for paths by suffix."""
    return tree.ending(suffixes)


def said_candidates(tree: Tree, question: FileQuestion) -> tuple[PurePosixPath, ...]:
    """Ask for the files that meet a question."""
    return tree.candidates(question)


def said_read(tree: Tree, path: PurePosixPath | str) -> bytes | None:
    """Ask for a file's bytes."""
    return tree.read(path)


def said_sha256(tree: Tree, path: PurePosixPath) -> bytes:
    """Ask for the digest of a file's bytes."""
    return tree.sha256(path)


def said_mode(tree: Tree, path: PurePosixPath | str) -> int:
    """Ask for a file's permission bits."""
    return tree.mode(path)


def said_unreadable(tree: Tree, _: None) -> tuple[Unresolved, ...]:
    """Ask what could not be read."""
    return tree.unreadable()
