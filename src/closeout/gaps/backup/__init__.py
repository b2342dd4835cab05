"""Backups that restore.

Problem: nothing is backed up. The obvious script, a dump piped into gzip, says that all went
well when the server was down, uploads an empty file and deletes the last good one a week later.

Before: no script, no job, no way back.

After: `scripts/backup-database.sh` backs up every database of a server, reads each dump back,
records row count and checksum of every table in the dump's own snapshot, publishes by one rename,
uploads and only then prunes. `scripts/restore-database.sh` restores beside the target, compares
table by table and then changes the names. `k8s/backup-cronjob.yaml` runs the one every night at
two and the other, as a drill, every week; `k8s/backup-alerts.yaml` tells when either is late.

A nightly dump gives an RPO of up to 24 hours, and the recovery plan allows 15 minutes. So
`k8s/point-in-time` has the server archive its WAL by pgBackRest every five minutes at least, takes
base backups every night and tells how to go back to a moment. `backup.point-in-time` loses a server
that runs with these settings, but for an `archive_timeout` of two seconds and a folder in the
bucket's place, measures what was lost, and reckons what five minutes would cost.
"""

from closeout.gaps.backup.deviations import DEVIATIONS
from closeout.gaps.backup.fix import fix
from closeout.gaps.backup.manifests import asks
from closeout.gaps.backup.rpo import section
from closeout.gaps.backup.rules import RULES, SUBJECTS
from closeout.model import Gap, later

GAP = Gap(
    slug="backup",
    issue=9,
    title="Backup and disaster recovery",
    priority="P0",
    criteria=("9.1", "9.2", "9.3", "9.4"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    probes=later(f"{__name__}.probes", "PROBES"),
    gates=later(f"{__name__}.gates", "GATES"),
    commands=later(f"{__name__}.commands", "COMMANDS"),
    section=section,
    asks=asks,
    deviations=DEVIATIONS,
    guide=__doc__ or "",
)
