"""Keep a test suite off the network: a network of its own, else guards in its runtimes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from closeout import process
from closeout.harness import postgres
from closeout.harness.launchers import loopback_only
from closeout.process import scratch as folders
from closeout.resources import BUNDLE

GUARDS = BUNDLE / "suites" / "offline"
"""What Python and Node load first where the system lends no network namespace."""

VARIABLE = "TEST_DATABASE_URL"
"""Where a suite finds its database."""

_NOWHERE = "http://127.0.0.1:9"
_PREFIX = (sys.executable, "-I", "-S", loopback_only.__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """How a command is kept off the network: put `argv` before it and `env` around it."""

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    told: str
    """What was done, for the evidence."""


@cache
def offline() -> Offline:
    """Return the strongest means that this system lends us, root or not.

    In a network of its own a suite reaches no TCP server of this machine either; a database has
    to be offered as a Unix socket.
    """
    tried = process.run((*_PREFIX, "true"), deadline=10.0)
    if tried.ok:
        return Offline(argv=_PREFIX, told="network: none but a loopback of its own")
    return guarded()


def guarded() -> Offline:
    """Return the weaker means: runtimes that refuse to connect anywhere but to loopback."""
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE)
    return Offline(
        env={
            **proxies,
            "NO_PROXY": "localhost,127.0.0.1,::1",
            "PYTHONPATH": str(GUARDS),
            "NODE_OPTIONS": f"--require={GUARDS / 'loopback_only.cjs'}",
        },
        told="network: loopback only, held by guards in the runtime (no namespace to be had)",
    )


@contextmanager
def database(scratch: Path, cache: Path | None = None) -> Iterator[str | None]:
    """Yield the address of a PostgreSQL that a suite reaches without a network.

    It is what TEST_DATABASE_URL says, if that is a Unix socket, and a throw-away server else.

    It is a Unix socket's, in the query as libpq and node-postgres read it. None is yielded where
    no server can be had. `cache` is a folder in which what is slow to make may be kept.
    """
    given = os.environ.get(VARIABLE, "")
    if "host=/" in given or "host=%2F" in given:
        yield given
        return
    if postgres.binaries() is None:
        yield None
        return
    # A short path that other users can enter: PostgreSQL refuses root, and a socket's path is
    # limited to about a hundred bytes.
    with folders.folder("socket", mode=0o1777) as folder:
        settings = {"unix_socket_directories": str(folder)}
        with postgres.server(scratch, settings=settings, templates=cache) as server:
            who = f"{server.user}:{server.password}"
            yield f"postgresql://{who}@/postgres?host={folder}&port={server.port}"
