"""End what foreign code left running, wherever it went: a daemon leaves its process group.

Whatever a marked program starts inherits the mark with the environment. A system without /proc has
no such list; there a process group is all that is ended.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NAME = "CLOSEOUT_PROCESS"
"""The environment variable that carries the mark."""

_PROC = Path("/proc")
_GENERATIONS = 100
"""How often to look again: what is ended may have started another one meanwhile."""


def mark() -> str:
    """Return a mark that no other program has."""
    return secrets.token_hex(16)


def end(mark: str) -> None:
    """Kill every process that carries the mark."""
    for _ in range(_GENERATIONS):
        found = list(_carrying(mark))
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _carrying(mark: str) -> Iterator[int]:
    wanted = f"{NAME}={mark}".encode()
    for place in _PROC.glob("[0-9]*/environ"):
        # Another user's process, or one that ended meanwhile; a dead one has no environment.
        with suppress(OSError):
            if wanted in place.read_bytes().split(b"\0"):
                yield int(place.parent.name)
