"""Turn signals that ask a command to end into an exception, at a moment that suits the work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a command to end; it is given the chance to put back what it was writing."""

Due = Callable[[], None]
"""Raises KeyboardInterrupt where a signal has come meanwhile."""
_Handler = Callable[[int, FrameType | None], object]


@contextmanager
def raised() -> Iterator[None]:
    """Let every signal that asks to end raise KeyboardInterrupt, as Ctrl-C does."""
    with _handled(_raise):
        yield


@contextmanager
def deferred() -> Iterator[Due]:
    """Keep signals waiting for the block; what is yielded raises KeyboardInterrupt if one came.

    So does the end of the block: nothing in between is cut off.
    """
    came: list[int] = []

    def due() -> None:
        if came:
            raise KeyboardInterrupt

    with _handled(lambda number, _: came.append(number)):
        yield due
    due()


@contextmanager
def _handled(handler: _Handler) -> Iterator[None]:
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in _ASKING:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                    before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _raise(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
