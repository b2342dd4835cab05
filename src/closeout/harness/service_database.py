"""Make the database that a service is probed with: its own schema, and accounts to sign in as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from closeout.harness import postgres

if TYPE_CHECKING:
    import psycopg

ACCOUNTS = 1200
"""How many accounts there are; each probe signs in as its own, so none disturbs another."""

PASSWORD = "right-horse-41"  # noqa: S105 - of throw-away accounts in a throw-away database
_BCRYPT_OF_PASSWORD = "$2b$04$UUZJEk6om0X9Io8EhZZ47./hNOS8vRVaa3nnTFrgAsLVKNnsSPomm"  # noqa: S105 - as above; the lowest cost, since nothing is protected

_HOST = "probe.example"
_SCHEMAS = ("db/schema.sql", "db/init.sql", "schema.sql")
_SEED = """
INSERT INTO users (id, tenant_id, email, display_name, password_hash)
SELECT gen_random_uuid(), 'tenant-probe', 'account' || n || '@probe.example', 'Account ' || n, %s
FROM generate_series(0, %s) AS n
"""


def account(number: int) -> str:
    """Return the email address of a seeded account."""
    return f"account{number % ACCOUNTS}@{_HOST}"


def accounts() -> str:
    """Return the same accounts as JSON, for the stand-in of a data layer."""
    return json.dumps({"count": ACCOUNTS, "host": _HOST, "hash": _BCRYPT_OF_PASSWORD})


def create(server: postgres.Server, name: str, service: Path) -> str:
    """Create a database with the schema of `service`, seed its accounts, and return its URL.

    A service without a schema file gets an empty database: its own start-up may fill it.
    """
    import psycopg  # noqa: PLC0415 - slow to load, and whoever only plans asks no database
    from psycopg import sql  # noqa: PLC0415 - as above

    database = name.replace("-", "_")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    dsn = server.dsn(database)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for place in (service / path for path in _SCHEMAS):
            if place.is_file():
                connection.execute(place.read_bytes())
        if _has_accounts(connection):
            connection.execute(_SEED, (_BCRYPT_OF_PASSWORD, ACCOUNTS - 1))
    return dsn


def _has_accounts(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    wanted = {"id", "tenant_id", "email", "display_name", "password_hash"}
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'users'"
    )
    return wanted <= {str(row[0]) for row in found}
