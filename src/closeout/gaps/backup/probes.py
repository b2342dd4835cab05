"""Name the questions put to a tree's backup scripts."""

from __future__ import annotations

from collections.abc import Callable

from closeout.fs.tree import DiskTree
from closeout.gaps.backup.detect import faults
from closeout.gaps.backup.manifests import BACKUP_SCRIPT
from closeout.gaps.backup.point_in_time import FOLDER
from closeout.gaps.backup.probing import archiving, bucket_questions, scripts
from closeout.model import Observation, Probe, ProbeContext

_NEEDS = ("bash",)


def _guarded(run: Callable[[ProbeContext], Observation]) -> Callable[[ProbeContext], Observation]:
    """Return `run` for scripts without known traps only.

    A script that deletes by age or writes to a folder of its own choice would do so here.
    """

    def guarded(context: ProbeContext) -> Observation:
        script = DiskTree(context.root).read(BACKUP_SCRIPT)
        known = faults(script) if script is not None else ()
        if not known:
            return run(context)
        return Observation(
            passed=False,
            expected="a script without known traps",
            observed=f"not run, it would do harm: {'; '.join(text for _, _, text in known)}",
            command=f"bash {BACKUP_SCRIPT}",
        )

    return guarded


def _script(name: str, criterion: str, question: scripts.Question) -> Probe:
    def run(context: ProbeContext) -> Observation:
        return scripts.ask(context, question)

    return Probe(id=f"backup.{name}", criterion=criterion, needs=_NEEDS, run=_guarded(run))


RESTORE_DRILL = Probe(
    id="backup.restore-drill",
    criterion="9.4",
    needs=_NEEDS,
    run=_guarded(scripts.restore_drill),
)

PROBES = (
    _script("makes-verified-backup", "9.1", scripts.makes_verified_backup),
    _script("server-down", "9.1", scripts.server_down),
    _script("wrong-password", "9.1", scripts.wrong_password),
    _script("missing-database", "9.1", scripts.missing_database),
    _script("failed-dump-prunes-nothing", "9.1", scripts.failed_dump_prunes_nothing),
    _script("upload-to-emulator", "9.3", bucket_questions.uploads),
    _script("upload-to-gcs-emulator", "9.3", bucket_questions.uploads_to_gcs),
    _script("upload-refused-by-emulator", "9.3", bucket_questions.upload_refused),
    _script("drill-from-s3-emulator", "9.4", bucket_questions.drills_from_s3),
    _script("drill-from-gcs-emulator", "9.4", bucket_questions.drills_from_gcs),
    RESTORE_DRILL,
    Probe(
        id="backup.point-in-time",
        criterion="9.4",
        needs=("bash", "pgbackrest", "postgres"),
        run=lambda context: archiving.restores_to_a_moment(context, FOLDER),
    ),
    _script("backup-reaches-storage-emulator", "M.8", bucket_questions.uploads),
)
