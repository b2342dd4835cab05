"""Start programs: an argv list, a scrubbed environment, a deadline and bounded output.

A deadline is what a quiet machine needs; on a busy one it is as much longer as everything is.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from closeout.process import pace

OUTPUT_CAP = 256 * 1024
"""Bytes kept of each stream, from its end: a failure's reason stands last."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")

_GRACE = 5.0
_DAEMON_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/sbin"
"""Where daemons such as mosquitto live; an ordinary user's PATH often lacks them."""

_MARK = "CLOSEOUT_PROCESS"
"""The environment variable that carries a program's mark; whatever it starts inherits it."""
_GENERATIONS = 100
"""How often to look again: what is ended may have started another one meanwhile."""

_WATCH = f"""read -r _; kill -s TERM -- "-$1"; sleep 3; kill -s KILL -- "-$1"
for place in $(grep -ls "{_MARK}=$2" /proc/[0-9]*/environ); do
  place=${{place#/proc/}}; kill -s KILL "${{place%/environ}}"
done"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished program: `code` is None where the deadline ended it."""

    argv: tuple[str, ...]
    code: int | None
    out: str
    err: str
    seconds: float
    raw: bytes = b""
    """Standard output as it came, for callers to whom it is data and not a message."""

    @property
    def ok(self) -> bool:
        """Return whether it ended by itself with status 0."""
        return self.code == 0

    @property
    def command(self) -> str:
        """Return the command as a person would type it; argv never carries a secret."""
        return " ".join(self.argv)


def find(program: str) -> str | None:
    """Return the path of `program`, on PATH or in the folders of daemons, or None."""
    return shutil.which(program) or shutil.which(program, path=_DAEMON_FOLDERS)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a small environment: paths, locale and trust store, then `extra`."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, **(extra or {})}


def run(  # noqa: PLR0913 - each is one property of a process; all but argv have defaults
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    deadline: float = 60.0,
    stdin: bytes = b"",
    user: int | None = None,
    held: Sequence[int] = (),
    foreign: bool = False,
) -> Result:
    """Run `argv` to its end or for `deadline` seconds; its whole process group ends with it.

    The seconds are a quiet machine's.
    `env` is added to a scrubbed environment. A missing program gives code 127, as a shell would.
    `user` is the numeric id to run as, for programs that refuse root. `held` are locks that the
    program goes on holding where this process is killed before it. What is `foreign` leaves nothing
    behind, whether it ends, or this process is killed: no daemon either.
    """
    words = tuple(str(word) for word in argv)
    mark = secrets.token_hex(16)
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**environment(env), _MARK: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            user=user,
            group=user,
            pass_fds=held,
        )
    except (FileNotFoundError, PermissionError) as error:
        absent = isinstance(error, FileNotFoundError) and error.filename == words[0]
        told = f"{words[0]} is not installed" if absent else str(error)
        return Result(argv=words, code=127, out="", err=told, seconds=0.0)
    watched = _leaving_nothing(process, mark) if foreign else nullcontext()
    try:
        with watched:
            out, err = _communicated(process, stdin, deadline)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        end_group(process)
        out, err = process.communicate()
        code = None
    except BaseException:
        end_group(process)
        raise
    return Result(
        argv=words,
        code=code,
        out=_tail(out),
        err=_tail(err),
        seconds=time.monotonic() - started,
        raw=out,
    )


def _communicated(
    process: subprocess.Popen[bytes], stdin: bytes, deadline: float
) -> tuple[bytes, bytes]:
    began = time.monotonic()
    try:
        return process.communicate(stdin, timeout=pace.patient(deadline))
    except subprocess.TimeoutExpired:
        # Nothing that was read is lost by asking again.
        rest = pace.scaled(deadline) - (time.monotonic() - began)
        return process.communicate(timeout=max(rest, 0.0))


@contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a server running for the block, its output in `log`; its group ends with the block."""
    mark = secrets.token_hex(16)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env={**environment(env), _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
        )
    try:
        with _outlived_by_nothing(process, mark):
            yield process
    finally:
        end_group(process)
        _end_marked(mark)


@contextmanager
def _leaving_nothing(process: subprocess.Popen[bytes], mark: str) -> Iterator[None]:
    """End what a program left as soon as it has ended: it may hold the streams open."""

    def swept() -> None:
        process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _end_marked(mark)

    sweeper = threading.Thread(target=swept, daemon=True)
    sweeper.start()
    try:
        with _outlived_by_nothing(process, mark):
            yield
    finally:
        end_group(process)
        sweeper.join()


@contextmanager
def _outlived_by_nothing(process: subprocess.Popen[bytes], mark: str) -> Iterator[None]:
    """Have `process`, and all that carries its mark, ended too where this one is killed.

    A watcher waits for the end of a pipe that only this process holds open.
    """
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "watch", str(process.pid), mark],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watcher.kill()
        watcher.communicate()


def _end_marked(mark: str) -> None:
    """Kill every process that carries the mark, wherever it went: a daemon leaves its group.

    A system without /proc has no such list; there a process group is all that is ended.
    """
    for _ in range(_GENERATIONS):
        found = list(_carrying(mark))
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _carrying(mark: str) -> Iterator[int]:
    wanted = f"{_MARK}={mark}".encode()
    for place in Path("/proc").glob("[0-9]*/environ"):
        # Another user's process, or one that ended meanwhile; a dead one has no environment.
        with suppress(OSError):
            if wanted in place.read_bytes().split(b"\0"):
                yield int(place.parent.name)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children: TERM, then KILL where that takes too long."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=_GRACE)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _tail(output: bytes) -> str:
    return output[-OUTPUT_CAP:].decode("utf-8", "replace")
