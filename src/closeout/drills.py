"""Back up, restore and rehearse from the command line, and keep the rehearsal as evidence."""

from __future__ import annotations

import json
import shlex

from closeout import drill, sessions
from closeout.errors import CloseoutError, ExitCode
from closeout.telling import give, say
from closeout.workspace import Workspace


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


def rehearse(space: Workspace) -> ExitCode:
    """Back up a seeded server, restore into another one, compare, and record what was measured."""
    return sessions.ask_one(space, "backup.restore-drill")


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
