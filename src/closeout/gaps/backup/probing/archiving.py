"""Lose a server that archives its WAL as a tree says, and bring it back to a moment.

The tree's own settings, configuration files and commands are used. Only places are replaced, by
variables that pgBackRest reads: the repository is a folder here and not a bucket.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath

from closeout import process
from closeout.errors import CloseoutError
from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.archiving_stage import (
    ArchivingStage,
    Kit,
    failed,
    prepared,
    read_kit,
    socket_folder,
)
from closeout.harness import postgres
from closeout.model import Measure, Observation, ProbeContext
from closeout.process import pace

COMMAND = "nox -s live_probes -- --only backup.point-in-time"
RPO_SECONDS = 15 * 60
"""What the platform's recovery plan allows a disaster to cost."""
_EXPECTED = (
    "a destroyed server comes back as it was at a moment between two writes, and what a disaster "
    "may cost stays within the plan"
)
_STEP_SECONDS = 120.0
_SHORT_TIMEOUT = 2
_APART_SECONDS = 1.1
"""pgBackRest knows the end of a backup by the second, and wants the moment to be after it."""
_SETTLED_SECONDS = 3.0 * _SHORT_TIMEOUT
_ARCHIVED = "SELECT archived_count FROM pg_stat_archiver"
_LEDGER = """
CREATE TABLE ledger (what text, at timestamptz DEFAULT clock_timestamp());
INSERT INTO ledger VALUES ('backed-up');
"""
_NEWEST = "SELECT extract(epoch FROM max(at)) FROM ledger"


def restores_to_a_moment(context: ProbeContext, folder: PurePosixPath) -> Observation:
    """Ask what is left of a server whose WAL was archived as the manifests in `folder` say."""
    try:
        kit = read_kit(context.root / folder)
    except (OSError, LookupError, TypeError, ValueError):
        return _seen(passed=False, observed=f"{folder} archives no WAL: only the dumps are there")
    user = postgres.ordinary_user()
    try:
        with postgres.home_below(context.scratch, user) as home, socket_folder() as sockets:
            allowed, measured = _rehearsed(kit, prepared(kit, home, sockets, user))
    except CloseoutError as error:
        missing = error.reference.startswith("postgres-") or "not supported" in error.message
        return _seen(passed=None if missing else False, observed=error.message)
    at_worst = allowed + max(0.0, measured - _SHORT_TIMEOUT)
    return _seen(
        passed=at_worst <= RPO_SECONDS,
        observed=f"what was written before the moment is back and what came after is not; "
        f"measured RPO {measured:.1f} s with archive_timeout {_SHORT_TIMEOUT} s, so at most "
        f"{at_worst:.0f} s with the tree's {allowed} s; the repository was a folder, not a bucket",
        measures=(
            Measure(name="RPO", value=round(at_worst, 1), unit="s"),
            Measure(name="lost in the rehearsal", value=round(measured, 2), unit="s"),
        ),
    )


def _rehearsed(kit: Kit, place: ArchivingStage) -> tuple[int, float]:
    """Return the tree's archive_timeout and the measured RPO, both in seconds.

    Raises CloseoutError("archiving-failed") where a step fails or the content is not as it was.
    """
    allowed = _seconds(kit, place)
    moment, crashed = _lived(kit, place)
    _brought_back(place, "pgbackrest --stanza=main --delta restore", {})
    with _opened(place, {**kit.settings, "archive_mode": "off"}) as server:
        measured = crashed - float(drill.ask(server, "postgres", _NEWEST))
    _brought_back(place, kit.restore, {"RESTORE_TARGET": moment})
    with _opened(place, kit.settings) as server:
        found = drill.ask(server, "postgres", "SELECT DISTINCT what FROM ledger ORDER BY 1").split()
    if found != ["backed-up", "wanted"]:
        raise failed(f"restored to {moment}, the table holds {', '.join(found)}")
    return allowed, measured


def _seconds(kit: Kit, place: ArchivingStage) -> int:
    value = kit.settings.get("archive_timeout", "0")
    asked = process.run(
        [
            *(place.programs / "postgres", "-D", place.data),
            *("-C", "archive_timeout", "-c", f"archive_timeout={value}"),
        ],
        user=postgres.uid_of(place.user),
    )
    if not asked.ok or asked.out.strip() == "0":
        raise failed("archive_timeout is not set, so a quiet hour is archived only by the next")
    seconds = int(asked.out)
    if seconds > RPO_SECONDS:
        raise failed(f"archive_timeout is {seconds} s, and the plan allows {RPO_SECONDS} s")
    return seconds


def _lived(kit: Kit, place: ArchivingStage) -> tuple[str, float]:
    """Write, back up and write on until the server is lost; return the moment, and the loss's."""
    settings = {**kit.settings, "archive_timeout": str(_SHORT_TIMEOUT)}
    with (
        place.server(settings) as server,
        process.running(
            ["pgbackrest", "server"],
            log=place.home / "tls.log",
            cwd=place.home,
            env=place.environment("database") | {"PGBACKREST_PG1_PORT": str(server.port)},
            user=postgres.uid_of(place.user),
        ),
    ):
        port = {"PGBACKREST_PG1_PORT": str(server.port)}
        _await_port(place.tls_port)
        drill.ask(server, "postgres", _LEDGER)
        place.run(kit.full, "job", port)
        time.sleep(_APART_SECONDS)
        drill.ask(server, "postgres", "INSERT INTO ledger VALUES ('wanted')")
        moment = drill.ask(server, "postgres", "SELECT clock_timestamp()").strip()
        drill.ask(server, "postgres", "INSERT INTO ledger VALUES ('unwanted')")
        place.run(kit.diff, "job", port)
        until, waiting = time.monotonic() + _SETTLED_SECONDS, pace.Waiting(_SETTLED_SECONDS)
        archived = drill.ask(server, "postgres", _ARCHIVED)
        while time.monotonic() < until or (
            drill.ask(server, "postgres", _ARCHIVED) == archived and waiting.lasts()
        ):
            drill.ask(server, "postgres", "INSERT INTO ledger VALUES ('beat')")
        crashed = time.time()
    return moment, crashed


def _brought_back(place: ArchivingStage, script: str, extra: Mapping[str, str]) -> None:
    """Destroy the data folder, and have pgBackRest fill it again."""
    shutil.rmtree(place.data)
    place.data.mkdir(mode=0o700)
    if place.user is not None:
        os.chown(place.data, place.user.pw_uid, place.user.pw_gid)
    place.run(script, "database", extra)


@contextmanager
def _opened(place: ArchivingStage, settings: Mapping[str, str]) -> Iterator[postgres.Server]:
    """Run the restored server, and wait until it has replayed its WAL."""
    with place.server(settings) as server:
        waiting = pace.Waiting(_STEP_SECONDS)
        while drill.ask(server, "postgres", "SELECT pg_is_in_recovery()").strip() != "f":
            if not waiting.lasts():
                raise failed("the restored server never ended its recovery")
            time.sleep(0.1)
        yield server


def _await_port(port: int) -> None:
    waiting = pace.Waiting(_STEP_SECONDS)
    while waiting.lasts():
        with socket.socket() as tried:
            if tried.connect_ex((postgres.HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise failed("pgbackrest server does not listen")


def _seen(*, passed: bool | None, observed: str, measures: tuple[Measure, ...] = ()) -> Observation:
    return Observation(
        passed=passed,
        expected=_EXPECTED,
        observed=observed,
        command=COMMAND,
        measures=measures,
    )
