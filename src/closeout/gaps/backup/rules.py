"""What has to hold of backups: the script, its job, the upload, the archive and the way back."""

from __future__ import annotations

from closeout.formats.holdings import has_cluster, has_postgres
from closeout.gaps.backup import detect
from closeout.gaps.backup.cronjob import cronjob
from closeout.gaps.backup.manifests import BACKUP_SCRIPT, CRONJOB, RESTORE_SCRIPT
from closeout.model import Rule, Subject

SUBJECTS = (
    Subject(
        what="PostgreSQL",
        criteria=("9.1", "9.2", "9.3", "9.4", "M.8"),
        is_in=has_postgres,
    ),
    Subject(
        what="Kubernetes manifest or chart, so no job",
        criteria=("9.2",),
        is_in=lambda tree: has_cluster(tree) or not has_postgres(tree),
    ),
)

RULES = (
    Rule(
        id="script",
        criterion="9.1",
        locate=detect.script,
        named=frozenset({BACKUP_SCRIPT}),
        message="there is no backup script",
    ),
    Rule(
        id="cronjob",
        criterion="9.2",
        locate=cronjob,
        named=frozenset({CRONJOB}),
        message="no CronJob runs the backup",
    ),
    Rule(
        id="upload",
        criterion="9.3",
        locate=detect.upload,
        named=frozenset({BACKUP_SCRIPT}),
        message="no finished backup is uploaded",
    ),
    Rule(
        id="point-in-time",
        criterion="9.4",
        locate=detect.archive,
        applies=has_cluster,
        message="no WAL is archived, so a disaster may cost a day: the plan allows 15 minutes",
    ),
    Rule(
        id="restore",
        criterion="9.4",
        locate=detect.restore,
        named=frozenset({RESTORE_SCRIPT}),
        message="there is no restore procedure",
    ),
)
