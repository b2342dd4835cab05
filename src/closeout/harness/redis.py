"""Provide a throw-away Redis: loopback, no persistence, ended with the block."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from closeout import process
from closeout.process import pace

_START_SECONDS = 10.0
_ONE_ANSWER = 1.0


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
    log = scratch / "redis.log"
    with process.running(argv, log=log, cwd=scratch) as server:
        waiting = pace.Waiting(_START_SECONDS, group=server.pid, log=log)
        while not _answers(port) and server.poll() is None and waiting.lasts():
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"


def clients(port: int) -> int:
    """Return how many clients the server on `port` has now, without this one."""
    found = re.search(rb"connected_clients:(\d+)", send(port, "INFO clients"))
    return int(found[1]) - 1 if found else 0


def send(port: int, command: str) -> bytes:
    """Return all that the server on `port` answers to an inline command."""
    with socket.create_connection(("127.0.0.1", port), timeout=pace.scaled(_ONE_ANSWER)) as line:
        line.sendall(f"{command}\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: line.recv(4096), b""))


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_ONE_ANSWER).close()
    except OSError:
        return False
    return True
