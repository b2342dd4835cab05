"""Say where the backup departs from the order, and what was measured."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-backup-1",
        claim="A dump is piped into gzip under `set -e`.",
        finding="With the server down, a wrong password, a missing database, a newer server or a "
        "dump killed midway the script says 'Backed up' and ends with 0; it leaves and uploads a "
        "file of 20 bytes that passes `gzip -t`.",
        decision="Each dump is made in a folder aside, read back by `pg_restore`, summed up and "
        "published by one rename; a failure ends non-zero with nothing published.",
    ),
    Deviation(
        id="D-backup-2",
        claim="Local files older than seven days are deleted.",
        finding="Once the last good dump is eight days old it is deleted with exit code 0, and "
        "only the 20-byte files remain; it also prunes when that night's dump failed.",
        decision="Nothing is pruned after a failure, and the newest verified backups of each "
        "database stay, however old they are.",
    ),
    Deviation(
        id="D-backup-3",
        claim="Four databases are dumped, named in the script.",
        finding="The platform's start-up scripts create 22 databases; roles are not dumped at all.",
        decision="Databases are discovered on the server, each fails on its own, and roles are "
        "dumped without their password verifiers.",
    ),
    Deviation(
        id="D-backup-4",
        claim="The job uploads with gsutil in the stock postgres image.",
        finding="The image holds no gsutil, so the upload can never have run there.",
        decision="An image of the project's own, pinned by version, holds every tool the script "
        "calls; upload goes by rclone, aws or gcloud, refuses to overwrite and is checked.",
    ),
    Deviation(
        id="D-backup-5",
        claim="The job's secret is handed over as environment variables.",
        finding="libpq reads PGPASSWORD and not POSTGRES_PASSWORD: 'no password supplied', and "
        "still exit code 0; an empty host swallows the option behind it.",
        decision="The settings are checked first with a clear error, and the password is read "
        "from a file.",
    ),
    Deviation(
        id="D-backup-6",
        claim="A CronJob with a schedule and two volumes is enough.",
        finding="Two in the morning is the controller's zone; its account, its claim and its "
        "ConfigMap are defined nowhere; checkov counts 17 failures.",
        decision="Named zone, limits, deadlines, security context, account, claim, network "
        "policy and a ConfigMap made from the tested script. checkov counts 0 failures; the image "
        "digest is waived in writing until the image is built.",
    ),
    Deviation(
        id="D-backup-7",
        claim="The restore procedure counts as tested.",
        finding="There is no procedure; piping the file into psql ends with 0 on broken SQL, and "
        "listing a dump's contents accepts a cut file and a flipped byte.",
        decision="A restore script that stops at the first error and compares every table with "
        "the dump's own snapshot, and a weekly drill on a throw-away server.",
    ),
    Deviation(
        id="D-backup-8",
        claim="A dump a night serves the platform's recovery plan.",
        finding="The plan asks for an RPO of 15 minutes; a nightly dump gives up to 24 hours.",
        decision="The nightly dump stays as the logical copy. Beside it `k8s/point-in-time` has "
        "the server archive its WAL by pgBackRest at least every five minutes, and the report "
        "says which RPO each of the two gives.",
    ),
    Deviation(
        id="D-backup-9",
        claim="The dump runs as the role that the services use.",
        finding="A role that reads everything can read password verifiers, and one that does not "
        "bypass row-level security loses rows or fails.",
        decision="A role of its own with pg_read_all_data and BYPASSRLS; verifiers are left out.",
    ),
)
