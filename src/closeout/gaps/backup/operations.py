"""Back up, restore and rehearse from the command line, and keep the rehearsal as evidence."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from closeout.console.output import give, say, sum_up
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import codec
from closeout.fs.tree import DiskTree
from closeout.gaps.backup.probes import RESTORE_DRILL
from closeout.gaps.backup.probing import drill
from closeout.harness import postgres
from closeout.model import Desk, Means, Observation, Probe, ProbeContext
from closeout.model.gates import of_probe

_STAMP = re.compile(r"\d{8}T\d{6}Z")
"""The name of one backup's folder."""
_NO_SCRIPT = "no script"
_UNUSABLE, _UPLOAD_FAILED = 2, 5
"""Exit codes of the scripts: for a setting that is missing or wrong, and for an upload."""
_ARRIVALS = {"backup.uploaded": "9.3", "backup.reaches-storage": "M.8"}
"""What an upload to an operator's own bucket proves: probe and criterion."""


def run_backup(desk: Desk) -> ExitCode:
    """Back up the server that the environment names; with a bucket, record what arrived there."""
    settings = drill.settings_from_environment()
    run = drill.back_up(settings)
    code = _told(run)
    if bucket := settings.get("BACKUP_BUCKET"):
        seen = _arrived(desk.root, run, bucket, settings)
        rows = [(probe, criterion, seen) for probe, criterion in _ARRIVALS.items()]
        desk.record("backup_run", Means.OPERATOR, rows, run.seconds)
    return code


def _arrived(
    root: Path, run: drill.ScriptRun, bucket: str, settings: Mapping[str, str]
) -> Observation:
    """Return what a run shows about a bucket; one behind an endpoint of its own shows nothing."""
    other = _other_script(root, "backup-database.sh")
    elsewhere = sorted(name for name, value in settings.items() if "ENDPOINT" in name and value)
    made = sum(event.get("status") == "ok" for event in run.events)
    passed = True if run.ok else False if run.code == _UPLOAD_FAILED else None
    observed = f"{made} backups made, every finished one is in {bucket}, its sums compared"
    if not run.ok:
        observed = run.message[-400:]
    if other or elsewhere:
        passed = None
    if other:
        observed += f"; the tree has {other}"
    if elsewhere:
        observed += f"; by way of {', '.join(elsewhere)}, perhaps an EMULATOR"
    return Observation(
        passed=passed,
        expected=f"a backup is made, and uploaded whole to {bucket}",
        observed=observed,
        command=f"BACKUP_BUCKET={bucket} invoke backup.run",
    )


def run_restore(desk: Desk, what: str) -> ExitCode:
    """Restore with the given words of `scripts/restore-database.sh`."""
    del desk
    if not what:
        raise CloseoutError(
            "restore-unnamed",
            "nothing to restore was named.",
            hint="try --what '--newest DATABASE'; scripts/restore-database.sh --help tells more.",
        )
    return _told(drill.restore(shlex.split(what), drill.settings_from_environment()))


def rehearse(desk: Desk, of: str) -> ExitCode:
    """Drill, and record as evidence what was measured.

    `of` is a folder of backups, a bucket, or one backup in either; without it a seeded server is
    backed up first.
    """
    if not of:
        return desk.judge((of_probe(RESTORE_DRILL),))

    def run(context: ProbeContext) -> Observation:
        return _drilled(context, of)

    own = Probe(id="backup.drill-of-own-backups", criterion="9.4", needs=("bash",), run=run)
    return desk.judge((of_probe(own),))


def _drilled(context: ProbeContext, of: str) -> Observation:
    expected = f"{of} restored into a throw-away server, every table as its manifest says"
    command = f"invoke backup.drill --of {of}"
    other = _other_script(context.root, "restore-database.sh")
    if other:
        return Observation(
            passed=False if other == _NO_SCRIPT else None,
            expected=expected,
            observed=f"the tree has {other}",
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


def _other_script(root: Path, name: str) -> str:
    """Return what the tree has instead of our script; "" where it has that."""
    theirs = DiskTree(root).read(PurePosixPath("scripts") / name)
    if theirs is None:
        return _NO_SCRIPT
    ours = (drill.SCRIPTS / name).read_bytes()
    return "" if theirs == ours else "a script of its own, which was not run"


def _source(of: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return settings and words of the restore script for what is to be drilled."""
    settings = drill.settings_from_environment()
    place = of.rstrip("/")
    if _STAMP.fullmatch(place.rsplit("/", 1)[-1]):
        return settings, (place,)
    settings.pop("BACKUP_DIR", None)
    name = "BACKUP_BUCKET" if "://" in place else "BACKUP_DIR"
    return settings | {name: place}, ()


def _told(run: drill.ScriptRun) -> ExitCode:
    for event in run.events:
        say(json.dumps(event, ensure_ascii=False))
    sum_up(run.message)
    give("script", codec.plain(replace(run, seconds=round(run.seconds, 3))))
    if run.code == _UNUSABLE:
        return ExitCode.UNUSABLE_INPUT
    return ExitCode.SETTLED if run.ok else ExitCode.GAPS_LEFT
