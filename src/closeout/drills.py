"""Back up, restore and rehearse from the command line, and keep the rehearsal as evidence."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import PurePosixPath

from closeout import drill, sessions
from closeout.errors import CloseoutError, ExitCode
from closeout.model import Observation, Probe, ProbeContext
from closeout.probes import postgres
from closeout.telling import give, say
from closeout.tree import DiskTree
from closeout.workspace import Workspace

_STAMP = re.compile(r"\d{8}T\d{6}Z")
"""The name of one backup's folder."""


def run_backup(space: Workspace) -> ExitCode:
    """Back up the server that the environment names, by the project's script."""
    space.announce()
    return _told(drill.back_up(drill.settings_from_environment()))


def run_restore(space: Workspace, words: str) -> ExitCode:
    """Restore with the given words of `scripts/restore-database.sh`."""
    space.announce()
    if not words:
        raise CloseoutError(
            "restore-unnamed",
            "nothing to restore was named.",
            hint="try --what '--newest DATABASE'; scripts/restore-database.sh --help tells more.",
        )
    return _told(drill.restore(shlex.split(words), drill.settings_from_environment()))


def rehearse(space: Workspace, of: str = "") -> ExitCode:
    """Drill, and record as evidence what was measured.

    `of` is a folder of backups, a bucket, or one backup in either; without it a seeded server is
    backed up first.
    """
    if not of:
        return sessions.ask_one(space, "backup.restore-drill")

    def run(context: ProbeContext) -> Observation:
        return _drilled(context, of)

    return sessions.put(
        space, Probe(id="backup.drill-of-own-backups", criterion="9.4", needs=("bash",), run=run)
    )


def _drilled(context: ProbeContext, of: str) -> Observation:
    expected = f"{of} restored into a throw-away server, every table as its manifest says"
    command = f"invoke backup.drill --of {of}"
    ours = (drill.SCRIPTS / "restore-database.sh").read_bytes()
    theirs = DiskTree(context.root).read(PurePosixPath("scripts/restore-database.sh"))
    if theirs != ours:
        seen = "no script" if theirs is None else "a script of its own, which was not run"
        return Observation(
            passed=False if theirs is None else None,
            expected=expected,
            observed=f"the tree has {seen}",
            command=command,
        )
    settings, words = _source(of)
    if "PGBIN" not in settings and (programs := postgres.binaries()):
        settings["PGBIN"] = str(programs)
    run = drill.restore(["--drill", *words], settings)
    told = drill.measured(run) or run.message[-400:]
    if "://" in of and "BACKUP_ENDPOINT_URL" in settings:
        told += "; from an endpoint of BACKUP_ENDPOINT_URL, perhaps an EMULATOR"
    return Observation(passed=run.ok, expected=expected, observed=told, command=command)


def _source(of: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return settings and words of the restore script for what is to be drilled."""
    settings = drill.settings_from_environment()
    place = of.rstrip("/")
    if _STAMP.fullmatch(place.rsplit("/", 1)[-1]):
        return settings, (place,)
    settings.pop("BACKUP_DIR", None)
    name = "BACKUP_BUCKET" if "://" in place else "BACKUP_DIR"
    return settings | {name: place}, ()


def _told(run: drill.Run) -> ExitCode:
    for event in run.events:
        say(json.dumps(event, ensure_ascii=False))
    say(run.message)
    give(
        "script",
        {
            "code": run.code,
            "events": [dict(event) for event in run.events],
            "message": run.message,
            "command": run.command,
            "seconds": round(run.seconds, 3),
        },
    )
    return ExitCode.SETTLED if run.ok else ExitCode.GAPS_LEFT
