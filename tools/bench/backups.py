"""Back up and restore one database in four ways in the same run, writers active all the while.

The order's way, ours, a plain COPY of the same tables, and pgBackRest beside them. Ours sums up and
checks all content, which the others do not; what it takes without that stands below it. The
server's CPU counts as well as the clients': most of the work is done there.

Restores go to a server tuned to be thrown away, just as the drill tunes its own. The order's goes
to one with PostgreSQL's own settings, where ours stands too ("usual"), and once more to the tuned
one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from closeout import process
from closeout.gaps.backup.probing import drill
from closeout.harness import postgres
from tools.bench.databases import (
    DATABASE,
    DEADLINE,
    TABLES,
    Bench,
    Cost,
    filled,
    ordinary,
    thrown_away,
    writers,
)

SMALL, FULL = 200, 1024
"""Megabytes of the database: usually, and with `--full`."""
DUMP_TARGET, RESTORE_TARGET, COPY_TARGET = 3.0, 1.7, 1.2

_ORDER_DUMP = "pg_dump -d bench | gzip > order.sql.gz"
_ORDER_RESTORE = "gunzip -c order.sql.gz | psql -X -q -v ON_ERROR_STOP=1 -d order_back >/dev/null"
_BARE_DUMP = (
    "pg_dump -d bench -Fd -j 2 -Z zstd:1 -f bare 2>bare.log"
    " || { rm -rf bare; pg_dump -d bench -Fd -j 2 -Z 2 -f bare; }"
)
_BARE_RESTORE = "pg_restore --exit-on-error -j 4 -d bare_back bare"
_COPY_OUT = (
    "seq {tables} | xargs -P {jobs} -I @ psql -X -q -d bench"
    " -c \"\\copy readings_@ TO 'copy/readings_@.tsv'\""
)
_COPY_IN = (
    "seq {tables} | xargs -P {jobs} -I @ psql -X -q -1 -v ON_ERROR_STOP=1 -d copy_back"
    ' -c "TRUNCATE readings_@"'
    " -c \"\\copy readings_@ FROM 'copy/readings_@.tsv'\""
    ' -c "ALTER TABLE readings_@ ADD PRIMARY KEY (id)"'
)
_SHAPE_OUT = "pg_dump -d bench --section=pre-data -f shape.sql"
_SHAPE_IN = "psql -X -q -v ON_ERROR_STOP=1 -d copy_back -f shape.sql >/dev/null"


def compared(megabytes: int) -> Iterator[str]:
    """Yield the two tables and what became of the content, for a database of `megabytes`.

    pgBackRest gets a server of its own with the same content: Debian's knows no newer PostgreSQL
    than Debian's, whose client cannot compress by zstd.
    """
    physical = _physical(megabytes)
    newest = postgres.packaged_binaries() or postgres.binaries()
    with drill.workplace() as place, filled(place, megabytes, newest) as bench:
        yield f"a database of {bench.size:.0f} MB, {TABLES} tables, {bench.server.version}"
        with writers(bench):
            dumps = _dumps(bench)
        yield from table("dump", {**dumps, "pgBackRest": physical.get("backup")}, DUMP_TARGET)
        with ordinary(bench) as usual:
            restores = _usual_restores(bench, usual)
        with thrown_away(bench) as scratch:
            restores |= {**_restores(bench, scratch), "pgBackRest": physical.get("restore")}
            verdict = _verdict(bench, scratch)
        yield from table("restore", restores, RESTORE_TARGET)
        yield verdict


def table(what: str, costs: Mapping[str, Cost | None], target: float) -> Iterator[str]:
    """Yield a line a way, each with how many times as fast as the order's it is."""
    names = ("the order's", "ours", "... unchecked", "ours, usual")
    order, ours, bare, usual = (costs.get(name) for name in names)
    yield f"{what:<16} {'CPU s':>8} {'wall s':>8} {'as fast':>8} {'MB':>8}"
    for name, cost in costs.items():
        if cost is None:
            yield f"  {name:<14} MISSING: it is not installed, or does not know this PostgreSQL"
            continue
        fast = f"{order.wall / cost.wall:.2f}" if order else "-"
        size = f"{cost.megabytes:.0f}" if cost.megabytes else "-"
        yield f"  {name:<14} {cost.cpu:>8.1f} {cost.wall:>8.1f} {fast:>8} {size:>8}"
    if order and ours:
        ratio = order.wall / ours.wall
        told = _told(ratio >= target, target)
        more = f"; {order.wall / bare.wall:.2f} unchecked" if bare else ""
        if usual:
            more += f"; {order.wall / usual.wall:.2f} where the order's goes, checked"
        yield f"  ours is {ratio:.2f} times as fast as the order's, {told}{more}"
    for name in ("plain COPY", "COPY by two"):
        copy = costs[name]
        if ours and copy:
            beside = ours.wall / copy.wall
            told = _told(beside <= COPY_TARGET, COPY_TARGET)
            more = f"; {bare.wall / copy.wall:.2f} unchecked" if bare else ""
            yield f"  ours takes {beside:.2f} times as long as {name}, {told}{more}"


def _told(kept: bool, target: float) -> str:  # noqa: FBT001 - the words for a yes or a no
    return f"target {target} {'kept' if kept else 'MISSED'}"


def _dumps(bench: Bench) -> dict[str, Cost | None]:
    (bench.folder / "copy").mkdir()
    order = bench.spent(lambda: bench.shell(_ORDER_DUMP))
    settings = _settings(bench)
    ours = bench.spent(lambda: drill.back_up(settings))
    bare = bench.spent(lambda: bench.shell(_BARE_DUMP))
    one, two = (_copied(bench, _COPY_OUT, jobs) for jobs in (1, 2))
    return {
        "the order's": _sized(order, bench.kept("order.sql.gz")),
        "ours": _sized(ours, bench.kept("backups")),
        "... unchecked": _sized(bare, bench.kept("bare")),
        "plain COPY": _sized(one, bench.kept("copy")),
        "COPY by two": _sized(two, bench.kept("copy")),
    }


def _usual_restores(bench: Bench, usual: Bench) -> dict[str, Cost | None]:
    """Return what restores take on a server as it is installed, where the order's would go."""
    usual.create("order_back")
    order = usual.spent(lambda: usual.shell(_ORDER_RESTORE))
    settings = {**_settings(bench), **drill.connection(usual.server)}
    words = ("--newest", DATABASE, "--into", "ours_back")
    ours = usual.spent(lambda: drill.restore(words, settings))
    return {"the order's": order, "ours, usual": ours}


def _restores(bench: Bench, scratch: Bench) -> dict[str, Cost | None]:
    """Return what restores take on a server tuned to be thrown away, as a drill's is.

    The drill's own row adds the start of its server, and pg_amcheck over all that came back.
    """
    scratch.create("order_back")
    order = scratch.spent(lambda: scratch.shell(_ORDER_RESTORE))
    settings = {**_settings(bench), **drill.connection(scratch.server)}
    words = ("--newest", DATABASE, "--into", "ours_back")
    ours = scratch.spent(lambda: drill.restore(words, settings))
    scratch.create("bare_back")
    bare = scratch.spent(lambda: scratch.shell(_BARE_RESTORE))
    bench.spent(lambda: bench.shell(_SHAPE_OUT))
    copies = []
    for jobs in (1, 2):
        scratch.create("copy_back")
        scratch.spent(lambda: scratch.shell(_SHAPE_IN))
        copies.append(_copied(scratch, _COPY_IN, jobs))
    alone = {"RESTORE_SCRATCH": str(bench.folder), "RESTORE_OWNERSHIP": "ignore", **settings}
    newest = drill.backups_of(bench.folder / "backups", DATABASE)[-1]
    drilled = scratch.spent(lambda: drill.restore(["--drill", str(newest)], alone))
    return {
        "... tuned": order,
        "ours": ours,
        "... unchecked": bare,
        "our drill": drilled,
        "plain COPY": copies[0],
        "COPY by two": copies[1],
    }


def _copied(bench: Bench, line: str, jobs: int) -> Cost:
    """Return what `jobs` clients took that each copy a table at a time."""
    return bench.spent(lambda: bench.shell(line.format(tables=TABLES, jobs=jobs)))


def _settings(bench: Bench) -> dict[str, str]:
    return {
        **drill.connection(bench.server),
        "BACKUP_DIR": str(bench.folder / "backups"),
        "BACKUP_DATABASES": DATABASE,
    }


def _sized(cost: Cost, megabytes: float) -> Cost:
    return Cost(cpu=cost.cpu, wall=cost.wall, megabytes=megabytes)


def _physical(megabytes: int) -> dict[str, Cost]:
    """Return what pgBackRest took for a whole server's files; nothing where it cannot."""
    if shutil.which("pgbackrest") is None:
        return {}
    user = postgres.uid_of(postgres.ordinary_user())
    with drill.workplace() as place, filled(place, megabytes, postgres.binaries()) as bench:
        for name in ("repository", "restored"):
            (place / name).mkdir(mode=0o700)
            if user is not None:
                os.chown(place / name, user, user)

        def run(data: Path, *words: str) -> process.Result:
            env = _options(bench, data)
            argv = ["pgbackrest", *words]
            return process.run(argv, cwd=bench.sockets, env=env, deadline=DEADLINE, user=user)

        if not run(bench.data, "--no-online", "stanza-create").ok:
            return {}
        words = ("--no-archive-check", "--type=full", "backup")
        with writers(bench):
            backup = bench.spent(lambda: run(bench.data, *words))
        restore = bench.spent(lambda: run(place / "restored", "restore"))
        return {"backup": _sized(backup, bench.kept("repository")), "restore": restore}


def _options(bench: Bench, data: Path) -> dict[str, str]:
    options = {
        "REPO1_PATH": bench.folder / "repository",
        "LOCK_PATH": bench.sockets / "lock",
        "CONFIG": "/dev/null",
        "STANZA": "main",
        "PG1_PATH": data,
        "PG1_PORT": bench.server.port,
        "PG1_USER": bench.server.user,
        "PG1_SOCKET_PATH": bench.sockets,
        "LOG_LEVEL_FILE": "off",
        "PROCESS_MAX": 2,
        "COMPRESS_TYPE": "zst",
        "START_FAST": "y",
        "REPO1_RETENTION_FULL": 1,
    }
    named = {f"PGBACKREST_{name}": str(value) for name, value in options.items()}
    return {**named, "PGPASSWORD": bench.server.password}


def _verdict(bench: Bench, scratch: Bench) -> str:
    """Return whether the restored content is the manifest's, and a changed cell is seen."""
    newest = drill.backups_of(bench.folder / "backups", DATABASE)[-1]
    query, expected = (newest / "content.sql").read_text(), (newest / "content.tsv").read_text()
    found = drill.ask(scratch.server, "ours_back", query)
    drill.ask(scratch.server, "ours_back", "UPDATE readings_3 SET note = note || '.' WHERE id = 77")
    changed = drill.ask(scratch.server, "ours_back", query)
    same = sorted(found.splitlines()) == sorted(expected.splitlines())
    seen = sorted(changed.splitlines()) != sorted(expected.splitlines())
    return (
        f"restored content is {'identical to' if same else 'NOT'} the manifest, taken while "
        f"writers were active; one changed cell is {'detected' if seen else 'NOT detected'}"
    )
