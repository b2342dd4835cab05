"""`backup.run`, `backup.restore` and `backup.drill`."""

from __future__ import annotations

from closeout.model import Command, Option, later

_OPERATIONS = f"{__package__}.operations"

COMMANDS = (
    Command(
        name="backup.run",
        told=(
            "Back up by scripts/backup-database.sh. Example: BACKUP_DIR=/backups invoke backup.run."
        ),
        run=later(_OPERATIONS, "run_backup"),
    ),
    Command(
        name="backup.restore",
        told=(
            "Restore a backup. Example: invoke backup.restore --what '--newest cloud_ingestion'."
        ),
        options=(Option(name="what", help="words for scripts/restore-database.sh"),),
        run=later(_OPERATIONS, "run_restore"),
    ),
    Command(
        name="backup.drill",
        told=(
            "Restore elsewhere and compare, all thrown away. Example: invoke backup.drill --of DIR."
        ),
        options=(Option(name="of", help="a folder of backups, a bucket, or one backup in either"),),
        run=later(_OPERATIONS, "rehearse"),
    ),
)
