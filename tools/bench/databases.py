"""Fill a server with a database of a given size, and count what work on it costs."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.gaps.backup.probing import drill
from closeout.harness import postgres

DATABASE = "bench"
TABLES = 4
DEADLINE = 3600.0
_REAPED_SECONDS = 0.3
_ROWS_A_MEGABYTE = 5_100
_SETTINGS = {"max_wal_size": "8GB", "shared_buffers": "512MB", "checkpoint_timeout": "1h"}
_PLACES = frozenset({"listen_addresses", "port", "unix_socket_directories"})
_FILL = """
CREATE TABLE {name} (id bigint NOT NULL, farm uuid NOT NULL, taken_at timestamptz NOT NULL,
    value double precision, note text, tags jsonb);
INSERT INTO {name} SELECT n, md5((n % 997)::text)::uuid,
    timestamptz '2026-01-01' + n * interval '1 second', sin(n) * 100,
    'barn ' || n % 41 || ' sensor ' || md5(n::text),
    jsonb_build_object('unit', 'C', 'barn', n % 41, 'quality', n % 5)
    FROM generate_series(1, {rows}) AS n;
ALTER TABLE {name} ADD PRIMARY KEY (id);
"""
_WRITES = """
INSERT INTO readings_1 SELECT max(id) + 1, md5('new')::uuid, now(), 1, 'new', '{}' FROM readings_1;
UPDATE readings_2 SET value = value + 1
    WHERE id = (SELECT 1 + floor(random() * 1000)::bigint);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one way took: CPU seconds of client and server, wall seconds, megabytes kept."""

    cpu: float
    wall: float
    megabytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A filled server, and a folder to work in."""

    server: postgres.Server
    folder: Path
    postmaster: int
    data: Path
    sockets: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return what the clients of every way but ours read."""
        path = f"{self.server.bin}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**self.server.environment(DATABASE), "PATH": path}

    def spent(self, work: Callable[[], process.Result | drill.ScriptRun]) -> Cost:
        """Return what `work` took. Raises CloseoutError("bench-failed") where it fails."""
        os.sync()  # what an earlier way left to be written would else be flushed on this one's time
        before = self._cpu()
        done = work()
        time.sleep(_REAPED_SECONDS)  # a server's process is counted once it has ended
        after = self._cpu()
        if not done.ok:
            told = done.err if isinstance(done, process.Result) else done.message
            message = f"{done.command[:60]} ended with {done.code}: {told.strip()[-300:]}"
            raise CloseoutError("bench-failed", message, hint="make room, or take a smaller size.")
        return Cost(cpu=after - before, wall=done.seconds)

    def shell(self, line: str) -> process.Result:
        """Run a line of shell in the folder."""
        return process.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=self.folder,
            env=self.environment,
            deadline=DEADLINE,
        )

    def create(self, name: str) -> None:
        """Make an empty database, in place of one of that name."""
        for statement in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"):
            made = self.shell(f'psql -X -q -d postgres -c "{statement}"')
            if not made.ok:
                raise CloseoutError("bench-failed", made.err, hint="run it again.")

    @property
    def size(self) -> float:
        """Return the megabytes of the database."""
        told = drill.ask(self.server, DATABASE, f"SELECT pg_database_size('{DATABASE}')")
        return int(told) / 1e6

    def kept(self, name: str) -> float:
        """Return the megabytes of a file or folder below the working folder."""
        place = self.folder / name
        files = [place] if place.is_file() else place.rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file()) / 1e6

    def _cpu(self) -> float:
        """Return the CPU seconds of our own children so far and of the server's ended ones."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        fields = Path(f"/proc/{self.postmaster}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(int(number) for number in fields[11:15])
        return used.ru_utime + used.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def ordinary(beside: Bench) -> Iterator[Bench]:
    """Provide an empty server with PostgreSQL's own settings, of the programs of `beside`.

    Its working folder is that of `beside`, where the backups lie.
    """
    settings = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "jit"), "on")
    programs = beside.server.bin
    with postgres.server(beside.folder, settings=settings, programs=programs) as server:
        yield _bench(server, beside.folder, beside.sockets)


@contextmanager
def thrown_away(beside: Bench) -> Iterator[Bench]:
    """Provide an empty server tuned as the drill's, by what the script itself writes down."""
    written = (drill.SCRIPTS / "restore-database.sh").read_text().partition("<<CONF\n")[2]
    lines = re.findall(r"^(\w+) = '?(.*?)'?$", written.partition("\nCONF\n")[0], re.MULTILINE)
    settings = {name: value for name, value in lines if name not in _PLACES}
    with postgres.server(beside.folder, settings=settings, programs=beside.server.bin) as server:
        yield _bench(server, beside.folder, beside.sockets)


@contextmanager
def filled(place: Path, megabytes: int, programs: Path | None) -> Iterator[Bench]:
    """Provide a server of `programs` with the database; pgBackRest reaches it by a socket."""
    sockets = place / "sockets"
    sockets.mkdir()
    sockets.chmod(0o777)
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    with postgres.server(place, settings=settings, programs=programs) as server:
        bench = _bench(server, place, sockets)
        bench.create(DATABASE)
        rows = megabytes * _ROWS_A_MEGABYTE // TABLES
        for number in range(1, TABLES + 1):
            filling = _FILL.format(name=f"readings_{number}", rows=rows)
            drill.ask(server, DATABASE, filling)
        bench.spent(lambda: bench.shell('psql -X -q -c "VACUUM ANALYZE" -c CHECKPOINT'))
        yield bench


def _bench(server: postgres.Server, folder: Path, sockets: Path) -> Bench:
    data = Path(drill.ask(server, "postgres", "SHOW data_directory").strip())
    return Bench(
        server=server,
        folder=folder,
        postmaster=int((data / "postmaster.pid").read_text().split("\n", 1)[0]),
        data=data,
        sockets=sockets,
    )


@contextmanager
def writers(bench: Bench) -> Iterator[None]:
    """Insert and update for the block, twenty times a second."""
    line = f"while psql -X -q -v ON_ERROR_STOP=1 -f {bench.folder}/writes.sql; do :; done"
    (bench.folder / "writes.sql").write_text(
        "SELECT 1;\n" + 200 * (_WRITES + "SELECT pg_sleep(0.05) \\g /dev/null\n")
    )
    with process.running(
        ["bash", "-c", line],
        log=bench.folder / "writers.log",
        cwd=bench.folder,
        env=bench.environment,
    ):
        yield
