"""Provide a throw-away Redis: loopback, no persistence, ended with the block."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from closeout import process

_START_SECONDS = 10.0


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def server(scratch: Path, port: int) -> Iterator[str]:
    """Run redis-server on `port` for the block and yield its URL.

    The caller chooses the port, since a client may look for the server before it is there.
    """
    argv: Sequence[str | Path] = [
        "redis-server",
        *("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
        *("--dir", scratch),
    ]
    with process.running(argv, log=scratch / "redis.log", cwd=scratch):
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
