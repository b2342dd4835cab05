"""Ask a tree's backup scripts about buckets: emulators stand in, and every answer says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.buckets import Emulator, gcs_emulator, s3_emulator
from closeout.gaps.backup.probing.scripts import ScriptBench, judged
from closeout.model import Observation

_DATABASE = "cloud_telemetry"

Starter = Callable[[Path], AbstractContextManager[Emulator]]


def _with(
    start: Starter, question: Callable[[ScriptBench, Emulator], Observation], bench: ScriptBench
) -> Observation:
    try:
        with start(bench.scratch) as emulator:
            return question(bench, emulator)
    except CloseoutError as error:
        return Observation(
            passed=None,
            expected="an emulator of a bucket to ask with",
            observed=error.message,
            command="bash scripts/backup-database.sh",
        )


def _uploads(bench: ScriptBench, emulator: Emulator) -> Observation:
    run = bench.back_up(emulator.settings() | {"BACKUP_DATABASES": _DATABASE})
    there = emulator.names()
    wanted = {name for name in bench.published() if name.startswith(f"{_DATABASE}/")}
    same = {
        name
        for name in wanted & there
        if emulator.content(name) == (bench.folder / name).read_bytes()
    }
    return judged(
        run,
        passed=run.ok and bool(wanted) and same == wanted,
        expected=f"exit code 0 and every file of the backup in the bucket; {emulator.title}",
        observed=f"exit code {run.code}, {len(same)} of {len(wanted)} files identical; "
        f"{emulator.title}",
    )


def _refused(bench: ScriptBench, emulator: Emulator) -> Observation:
    settings = emulator.settings() | {"BACKUP_BUCKET": "s3://no-such-bucket/daily"}
    run = bench.back_up(settings | {"BACKUP_DATABASES": _DATABASE})
    made = len(drill.backups_of(bench.folder, _DATABASE))
    return judged(
        run,
        passed=run.code not in {0, None} and made == 1 and not emulator.names(),
        expected=f"a status that is not 0, and the local backup kept; {emulator.title}",
        observed=f"exit code {run.code}, {made} local backup; {emulator.title}",
    )


def _drills(bench: ScriptBench, emulator: Emulator) -> Observation:
    made = bench.back_up(emulator.settings() | {"BACKUP_DATABASES": _DATABASE})
    expected = f"the bucket's newest backup restored, equal and not corrupt; {emulator.title}"
    if not made.ok:
        return judged(made, passed=False, expected=expected, observed="nothing was uploaded")
    with drill.workplace() as place:
        run = drill.restore(
            ["--drill"],
            emulator.settings()
            | {
                "PGBIN": str(bench.server.bin),
                "RESTORE_SCRATCH": str(place),
                "RESTORE_OWNERSHIP": "ignore",
            },
            scripts=bench.scripts,
        )
    told = drill.measured(run)
    return judged(
        run,
        passed=run.ok,
        expected=expected,
        observed=f"{told or 'the drill ended early'}; {emulator.title}",
        script="restore-database.sh --drill",
    )


uploads = partial(_with, s3_emulator, _uploads)
"""Ask for an upload to an S3 emulator; it says nothing of a real bucket."""
uploads_to_gcs = partial(_with, gcs_emulator, _uploads)
upload_refused = partial(_with, s3_emulator, _refused)
"""Ask what a bucket that is not there does to the run and to the local backup."""
drills_from_s3 = partial(_with, s3_emulator, _drills)
"""Ask for a drill straight from an emulator: no local backup is at hand."""
drills_from_gcs = partial(_with, gcs_emulator, _drills)
