"""Remember what was made of a file's content, for as many bytes of sources as memory allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Generic, TypeVar

Made = TypeVar("Made")

_MOST_BYTES = 12 * 1024 * 1024
"""Of sources; what is made of them takes about ten times as much."""


class Remembered(Generic[Made]):
    """A function of a file's content that is asked once a content; the least used are let go."""

    def __init__(self, make: Callable[[bytes], Made], most_bytes: int = _MOST_BYTES) -> None:
        """Remember the answers of `make`; what it raises is raised each time."""
        self._make = make
        self._most = self._left = most_bytes
        self._known: OrderedDict[bytes, Made] = OrderedDict()
        self.made = 0
        """How often it had to be made, since the last clearing."""
        wraps(make)(self)

    def cache_clear(self) -> None:
        """Let go of everything, as `lru_cache` calls it."""
        self._known.clear()
        self._left = self._most
        self.made = 0

    def __call__(self, content: bytes) -> Made:
        """Return what is made of `content`."""
        if content in self._known:
            self._known.move_to_end(content)
            return self._known[content]
        self.made += 1
        made = self._known[content] = self._make(content)
        self._left -= len(content)
        while self._left < 0 and len(self._known) > 1:
            let_go, _ = self._known.popitem(last=False)
            self._left += len(let_go)
        return made
