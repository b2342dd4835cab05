"""Provide scratch databases: on a throw-away server, or on one whose address is given.

Only whole databases are made and dropped. A project chooses its own schema names, such as `raw`,
so a scratch schema on somebody's database could not keep it off what is there.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from closeout import process
from closeout.errors import CloseoutError
from closeout.harness import postgres
from closeout.process import pace

VARIABLE = "CLOSEOUT_PG_DSN"
"""Names a server to use, as `postgresql://user:password@host:port/database`."""

_CONNECT_SECONDS = 10.0
_HINT = f"give a role that may create databases, or unset {VARIABLE} for a throw-away server."


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of a server."""

    server: postgres.Server
    name: str = "postgres"
    sslmode: str = "prefer"

    def environment(self) -> dict[str, str]:
        """Return the variables from which libpq reads the connection."""
        return {
            **self.server.environment(self.name),
            "PGSSLMODE": self.sslmode,
            "PGCONNECT_TIMEOUT": str(round(pace.scaled(_CONNECT_SECONDS))),
        }

    def ask(self, query: str) -> process.Result:
        """Run `query` and return its rows as CSV."""
        psql = self.server.bin / "psql"
        argv: list[str | Path] = [psql, "-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1"]
        return process.run(argv, env=self.environment(), stdin=query.encode())


def is_available() -> bool:
    """Tell whether a server's address is given or a server is here."""
    return bool(os.environ.get(VARIABLE)) or postgres.binaries() is not None


@contextmanager
def scratch_database(scratch: Path) -> Iterator[Database]:
    """Yield an empty database that is dropped with its copies when the block ends.

    Raises CloseoutError where the given address is none, or its server refuses the database.
    """
    address = os.environ.get(VARIABLE)
    if address:
        with _created(_given(address)) as database:
            yield database
        return
    with postgres.server(scratch) as server:
        yield Database(server=server)


@contextmanager
def copied(database: Database) -> Iterator[Database | None]:
    """Yield a copy of `database` as it is, dropped when the block ends; None where that fails."""
    keeper = replace(database, name="template1")
    copy = replace(database, name=f"{database.name}_{secrets.token_hex(4)}")
    made = keeper.ask(f'CREATE DATABASE "{copy.name}" TEMPLATE "{database.name}"')
    try:
        yield copy if made.ok else None
    finally:
        _drop(keeper, copy.name)


@contextmanager
def _created(keeper: Database) -> Iterator[Database]:
    name = f"closeout_{secrets.token_hex(6)}"
    made = keeper.ask(f'CREATE DATABASE "{name}"')
    if not made.ok:
        reason = " ".join(made.err.split()) or "no answer"
        raise CloseoutError(
            "database-refused", f"no scratch database on the given server: {reason}", hint=_HINT
        )
    try:
        yield replace(keeper, name=name)
    finally:
        _drop(keeper, name)


def _drop(keeper: Database, name: str) -> None:
    keeper.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _given(address: str) -> Database:
    """Return what the address names; a refusal repeats nothing of it, as it holds a password."""
    parts = urlsplit(address)
    try:
        port = parts.port or 5432
    except ValueError:
        port = 0
    found = shutil.which("psql")
    tools = Path(found).parent if found else postgres.binaries()
    if parts.scheme not in {"postgres", "postgresql"} or not parts.hostname or not port:
        message = f"{VARIABLE} is no address of a PostgreSQL server."
        raise CloseoutError(
            "dsn-unusable", message, hint="write postgresql://user:password@host:port/database."
        )
    if tools is None:
        message = f"{VARIABLE} is given, but there is no psql to reach it."
        raise CloseoutError("psql-missing", message, hint="install PostgreSQL's client tools.")
    server = postgres.Server(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or "postgres"),
        password=unquote(parts.password or ""),
        bin=tools,
    )
    return Database(
        server=server,
        name=unquote(parts.path.lstrip("/")) or "postgres",
        sslmode=parse_qs(parts.query).get("sslmode", ["prefer"])[0],
    )
