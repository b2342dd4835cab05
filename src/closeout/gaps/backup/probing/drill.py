"""Run the backup and restore scripts, and prove on throw-away servers that a restore restores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closeout import process
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import json_reader
from closeout.harness import postgres
from closeout.process import scratch as folders
from closeout.resources import BUNDLE

SCRIPTS = BUNDLE / "scripts"
NIGHTLY_RPO_SECONDS = 24 * 3600
"""What a nightly dump can lose: all that was written since the last one."""
_DEADLINE = 4 * 3600.0
_SETTINGS = ("BACKUP_", "RESTORE_", "POSTGRES_", "PG", "AWS_", "RCLONE_", "GOOGLE_", "CLOUDSDK_")
_DRILL_SERVER = {"autovacuum": "off", "max_wal_size": "4GB", "maintenance_work_mem": "256MB"}

SEEDS: Mapping[str, str] = {
    "cloud_identity_access": """
        CREATE TABLE users (id uuid PRIMARY KEY, email text UNIQUE NOT NULL, roles text[]);
        INSERT INTO users SELECT md5(n::text)::uuid, 'user' || n || '@farm.example',
            ARRAY['viewer'] FROM generate_series(1, 500) AS n;
    """,
    "cloud_telemetry": """
        CREATE TABLE readings (id bigint PRIMARY KEY, taken_at timestamptz NOT NULL,
            value double precision, tags jsonb, raw bytea);
        INSERT INTO readings SELECT n, timestamptz '2026-01-01' + n * interval '1 second',
            sin(n), jsonb_build_object('barn', n % 7), decode(md5(n::text), 'hex')
            FROM generate_series(1, 5000) AS n;
        CREATE TABLE daily (day date, total numeric) PARTITION BY RANGE (day);
        CREATE TABLE daily_2026 PARTITION OF daily FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        INSERT INTO daily VALUES ('2026-01-01', 1.10), ('2026-01-02', 2.20);
    """,
    "odd name = 'x'": 'CREATE TABLE "Mixed Case" ("a b" text); INSERT INTO "Mixed Case" '
    "VALUES ('tab\there'), (NULL), ('');",
}
"""Database name to its content: small, but with the types and names that go wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """One run of a script: its status, its JSON lines and its messages."""

    code: int | None
    events: tuple[Mapping[str, Any], ...]
    message: str
    command: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Return whether it did everything it was asked."""
        return self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrilledDatabase:
    """One database after its way through a backup; `equal` is table by table."""

    name: str
    tables: int
    rows: int
    bytes: int
    equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """What a drill measured.

    `rto_seconds` is from no server at all to compared and checked content, `rpo_seconds` the age
    of the oldest backup by then; `amcheck` is `ok`, or why pg_amcheck did not run.
    """

    databases: tuple[DrilledDatabase, ...]
    backup_seconds: float
    rto_seconds: float
    rpo_seconds: int
    amcheck: str
    changed_cell_detected: bool
    server: str

    @property
    def ok(self) -> bool:
        """Return whether all content came back and a change would have been seen."""
        equal = bool(self.databases) and all(item.equal for item in self.databases)
        return equal and self.changed_cell_detected

    def lines(self) -> Iterator[str]:
        """Yield the report as a person reads it."""
        yield f"server: {self.server}"
        for item in self.databases:
            state = "identical" if item.equal else "DIFFERENT"
            size = f"{item.tables} tables, {item.rows} rows, {item.bytes} bytes"
            yield f"  {item.name}: {size}: {state}"
        rto, rpo = f"{self.rto_seconds:.1f}", self.rpo_seconds
        yield f"backup {self.backup_seconds:.1f} s, measured RTO {rto} s, measured RPO {rpo} s"
        yield f"pg_amcheck of every index and heap: {self.amcheck}"
        yield f"one changed cell was {'detected' if self.changed_cell_detected else 'NOT detected'}"
        yield "RPO of a nightly dump: up to 24 hours; 15 minutes needs WAL archiving"


def back_up(
    settings: Mapping[str, str], *, scripts: Path = SCRIPTS, deadline: float = _DEADLINE
) -> ScriptRun:
    """Run backup-database.sh of `scripts` with `settings` as its environment."""
    return _run([scripts / "backup-database.sh"], settings, deadline)


def restore(
    arguments: Sequence[str],
    settings: Mapping[str, str],
    *,
    scripts: Path = SCRIPTS,
    deadline: float = _DEADLINE,
) -> ScriptRun:
    """Run restore-database.sh of `scripts` with `arguments` and `settings`."""
    return _run([scripts / "restore-database.sh", *arguments], settings, deadline)


def settings_from_environment() -> dict[str, str]:
    """Return the variables of this process that the scripts and their tools read."""
    return {name: value for name, value in os.environ.items() if name.startswith(_SETTINGS)}


def connection(server: postgres.Server) -> dict[str, str]:
    """Return the scripts' settings that name `server`."""
    return {
        "POSTGRES_HOST": server.host,
        "POSTGRES_PORT": str(server.port),
        "POSTGRES_USER": server.user,
        "PGPASSWORD": server.password,
        "PGBIN": str(server.bin),
    }


def ask(server: postgres.Server, database: str, sql: str) -> str:
    """Run `sql` in `database` and return its rows, columns apart by tabs.

    Raises CloseoutError("drill-failed") where PostgreSQL refuses it.
    """
    rows = ("-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1")
    done = process.run(
        [server.bin / "psql", *rows, "--single-transaction", "-f", "-"],
        env=server.environment(database),
        stdin=sql.encode(),
        deadline=_DEADLINE,
    )
    if not done.ok:
        raise _failed(f"psql on {database!r}: {done.err.strip()}")
    return done.raw.decode("utf-8", "replace")


def seed(server: postgres.Server) -> None:
    """Create the databases of SEEDS on `server`."""
    for name, sql in SEEDS.items():
        quoted = name.replace('"', '""')
        made = process.run(
            [server.bin / "psql", "-X", "-q", "-c", f'CREATE DATABASE "{quoted}"'],
            env=server.environment(),
        )
        if not made.ok:
            raise _failed(made.err.strip())
        ask(server, name, sql)


def measured(run: ScriptRun) -> str:
    """Return what a drill of the restore script measured; empty where it ended before."""
    ended = next((event for event in run.events if event["event"] == "drill"), None)
    if ended is None:
        return ""
    tables = sum(int(event.get("tables_equal", 0)) for event in run.events)
    return (
        f"{ended['databases']} databases and {tables} tables equal to their manifests, "
        f"RTO {ended['rto_seconds']} s, RPO {ended['rpo_seconds']} s, "
        f"pg_amcheck {ended.get('amcheck', 'not asked')}"
    )


def drill(scratch: Path, *, scripts: Path = SCRIPTS) -> DrillReport:
    """Back up a seeded throw-away server, restore into others and compare.

    The script drills by itself, which is measured; a second server then shows that one changed
    cell is seen. All servers end with the call.
    Raises CloseoutError("drill-failed") where a script fails.
    """
    folder = scratch / "backups"
    with postgres.server(scratch) as source:
        seed(source)
        made = back_up({**connection(source), "BACKUP_DIR": str(folder)}, scripts=scripts)
        _require(made)
        expected = {name: _content(source, name, folder) for name in SEEDS}
        version = source.version
        alone = {"BACKUP_DIR": str(folder), "RESTORE_OWNERSHIP": "ignore"}
        with workplace() as place:
            alone |= {"PGBIN": str(source.bin), "RESTORE_SCRATCH": str(place)}
            drilled = restore(["--drill"], alone, scripts=scripts)
        _require(drilled)
    sizes = {event["database"]: event for event in made.events}
    with postgres.server(scratch, settings=_DRILL_SERVER) as target:
        settings = {**connection(target), "BACKUP_DIR": str(folder), "RESTORE_OWNERSHIP": "ignore"}
        restored = [restore(["--newest", name], settings, scripts=scripts) for name in SEEDS]
        for run in restored:
            _require(run)
        found = {name: _content(target, name, folder) for name in SEEDS}
        ask(target, "cloud_telemetry", "UPDATE readings SET value = value + 1 WHERE id = 77")
        changed = _content(target, "cloud_telemetry", folder)
    return DrillReport(
        databases=tuple(
            DrilledDatabase(
                name=name,
                tables=int(sizes[name]["tables"]),
                rows=int(sizes[name]["rows"]),
                bytes=int(sizes[name]["bytes"]),
                equal=found[name] == expected[name],
            )
            for name in SEEDS
        ),
        backup_seconds=made.seconds,
        rto_seconds=drilled.seconds,
        rpo_seconds=int(drilled.events[-1].get("rpo_seconds", 0)),
        amcheck=str(drilled.events[-1].get("amcheck", "not asked")),
        changed_cell_detected=changed != expected["cloud_telemetry"],
        server=version,
    )


@contextmanager
def workplace() -> Iterator[Path]:
    """Provide a scratch folder that PostgreSQL's own account can enter, gone after the block."""
    with folders.folder("drill", mode=0o711) as place:
        yield place


def backups_of(folder: Path, database: str) -> tuple[Path, ...]:
    """Return the published backups of `database` below `folder`, oldest first."""
    return tuple(
        sorted(path.parent for path in (folder / folder_name(database)).glob("*/VERIFIED"))
    )


def folder_name(database: str) -> str:
    """Return a database's name as the scripts write it in a path."""
    kept = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    return "".join(
        chr(byte) if byte in kept or (byte == ord(".") and place) else f"%{byte:02X}"
        for place, byte in enumerate(database.encode())
    )


def _content(server: postgres.Server, database: str, folder: Path) -> str:
    """Return rows and checksum of every table, by the query that the backup carries."""
    query = backups_of(folder, database)[-1] / "content.sql"
    return ask(server, database, query.read_text())


def _run(argv: Sequence[Path | str], settings: Mapping[str, str], deadline: float) -> ScriptRun:
    done = process.run(["bash", *argv], env=settings, deadline=deadline)
    return ScriptRun(
        code=done.code,
        events=tuple(
            json_reader.loads(line) for line in done.out.splitlines() if line.startswith("{")
        ),
        message=done.err.strip(),
        command=done.command,
        seconds=done.seconds,
    )


def _require(run: ScriptRun) -> None:
    if not run.ok:
        raise _failed(f"{run.command} ended with {run.code}: {run.message}")


def _failed(message: str) -> CloseoutError:
    return CloseoutError(
        "drill-failed",
        message,
        hint="mend what the message names and run `invoke backup.drill` again.",
        exit_code=ExitCode.GAPS_LEFT,
    )
