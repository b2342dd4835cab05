"""Remember what was made of a file's content, for as many bytes of sources as memory allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Generic, ParamSpec, TypeVar

Asked = ParamSpec("Asked")
Made = TypeVar("Made")

_MOST_BYTES = 12 * 1024 * 1024
"""Of sources; what is made of them takes about ten times as much."""

_TRIAL_BYTES = 512 * 1024
"""Of sources whose syntax trees are kept on trial; a tree takes thirty times as much."""


class _Shelf(Generic[Made]):
    """What was made of the contents that were used last, `most` bytes of them."""

    def __init__(self, most: int) -> None:
        self._left = most
        self.known: OrderedDict[Hashable, tuple[Made, int]] = OrderedDict()

    def put(self, key: Hashable, made: Made, size: int) -> None:
        self.known[key] = made, size
        self._left -= size
        while self._left < 0 and len(self.known) > 1:
            _, (_, let_go) = self.known.popitem(last=False)
            self._left += let_go


class Remembered(Generic[Asked, Made]):
    """A function of a file's content that is asked once a content; the least used are let go.

    What else it is asked with, such as the file's path, is given by position too.

    With `trial_bytes` a content is first kept on trial, among that many bytes. One that is asked
    for again after it was let go is kept as others are: so most are made twice at most, and what
    nobody comes back to takes no room.
    """

    def __init__(
        self, make: Callable[Asked, Made], most_bytes: int = _MOST_BYTES, trial_bytes: int = 0
    ) -> None:
        """Remember the answers of `make`; what it raises is raised each time."""
        self._make = make
        self._bounds = (most_bytes, trial_bytes)
        self.cache_clear()
        wraps(make)(self)

    def cache_clear(self) -> None:
        """Let go of everything, as `lru_cache` calls it."""
        most, trial = self._bounds
        self._kept: _Shelf[Made] = _Shelf(most)
        self._trial: _Shelf[Made] = _Shelf(trial)
        self._tried: set[int] = set()
        self.made = 0
        """How often it had to be made, since the last clearing."""

    def known(self, *asked: Asked.args, **_: Asked.kwargs) -> Made | None:
        """Return what was made of a content, None where nothing is remembered."""
        held = self._kept.known.get(asked) or self._trial.known.get(asked)
        return held[0] if held else None

    def __call__(self, *asked: Asked.args, **words: Asked.kwargs) -> Made:
        """Return what is made of a content."""
        for shelf in (self._kept, self._trial):
            if asked in shelf.known:
                shelf.known.move_to_end(asked)
                return shelf.known[asked][0]
        self.made += 1
        made = self._make(*asked, **words)
        is_new = self._bounds[1] > 0 and hash(asked) not in self._tried
        if is_new:
            self._tried.add(hash(asked))
        size = sum(len(item) for item in asked if isinstance(item, bytes))
        (self._trial if is_new else self._kept).put(asked, made, size)
        return made


def on_trial(make: Callable[Asked, Made]) -> Remembered[Asked, Made]:
    """Remember what is large and fast to make, such as a syntax tree: on trial at first."""
    return Remembered(make, trial_bytes=_TRIAL_BYTES)
