"""`backup.run`, `backup.restore` and `backup.drill`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.commands import backup
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo


@command(help=ROOT_HELP)
def run(context: Context, root: str = "") -> None:
    """Back up by scripts/backup-database.sh. Example: BACKUP_DIR=/backups invoke backup.run."""
    on_monorepo(context, root, backup.run_backup)


@command(help={**ROOT_HELP, "what": "words for scripts/restore-database.sh"})
def restore(context: Context, root: str = "", what: str = "") -> None:
    """Restore a backup. Example: invoke backup.restore --what '--newest cloud_ingestion'."""
    on_monorepo(context, root, lambda space: backup.run_restore(space, what))


@command(help={**ROOT_HELP, "of": "a folder of backups, a bucket, or one backup in either"})
def drill(context: Context, root: str = "", of: str = "") -> None:
    """Restore elsewhere and compare, all thrown away. Example: invoke backup.drill --of DIR."""
    on_monorepo(context, root, lambda space: backup.rehearse(space, of))


COLLECTION = Collection("backup", run, restore, drill)
