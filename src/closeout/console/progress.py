"""One line on a terminal's stderr that says what a long command is doing; it leaves no trace.

It is written by hand: the libraries for this cost 100 to 200 ms of import, more than most commands
take before the line is due, and one line needs none of their layout.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

DELAY = 2.0
"""Seconds that a command may take before it has to say what it is doing."""
_BEAT = 0.25
_ERASE = "\r\x1b[K"
_lock = threading.Lock()


class _Line:
    """What is shown, and whether it stands on the terminal now."""

    text = "working"
    standing = False


def step(text: str) -> None:
    """Say what begins now; seen where the command takes longer than DELAY, on a terminal."""
    _Line.text = text


@contextmanager
def shown() -> Iterator[None]:
    """Show the line while the block runs; without a terminal on stderr nothing is ever written."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    ended = threading.Event()
    began = time.monotonic()
    writer = threading.Thread(target=_keep_writing, args=(ended, began), daemon=True)
    _Line.text = "working"
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        with aside():
            pass


@contextmanager
def aside() -> Iterator[None]:
    """Take the line away while the block prints."""
    with _lock:
        if _Line.standing:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
            _Line.standing = False
        yield


def _keep_writing(ended: threading.Event, began: float) -> None:
    ended.wait(DELAY)
    while not ended.is_set():
        shown_text = "".join(char if char.isprintable() else "?" for char in _Line.text)
        line = f"{time.monotonic() - began:4.0f} s  {shown_text}"
        with _lock:
            sys.stderr.write(_ERASE + line[: _columns() - 1])
            sys.stderr.flush()
            _Line.standing = True
        ended.wait(_BEAT)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
