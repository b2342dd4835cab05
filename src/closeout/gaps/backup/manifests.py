"""Name the files that this gap installs, with their templates and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from closeout.formats.declarations import names
from closeout.formats.holdings import has_cluster
from closeout.formats.tree_names import ORDERS_PROJECT, UNNAMED, namespace, project
from closeout.model import Tree
from closeout.resources import render, verbatim

BACKUP_SCRIPT = PurePosixPath("scripts/backup-database.sh")
RESTORE_SCRIPT = PurePosixPath("scripts/restore-database.sh")
CRONJOB = PurePosixPath("k8s/backup-cronjob.yaml")

SCHEDULE = "0 2 * * *"
_DRILL_SCHEDULE = "30 4 * * 0"
_POSTGRES = "16.10"
_DIRECTORY = "/backups/postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNames:
    """What the tree calls its own: the order's names, unless it has others."""

    project: str = ORDERS_PROJECT
    namespace: str = f"{ORDERS_PROJECT}-cloud-prod"
    time_zone: str = "Asia/Bangkok"
    bucket: str = f"{ORDERS_PROJECT}-prod-backups"
    """Where backups go to."""
    images: str = ORDERS_PROJECT
    """What the names of the images start with."""

    def account(self, user: str) -> str:
        """Return the cloud account that a job acts as."""
        return f"{user}@{self.project}-prod.iam.gserviceaccount.com"


def names_of(tree: Tree) -> BackupNames:
    """Return a tree's names; one that is not the order's says no time zone either."""
    called = project(tree)
    said = names(tree)
    usual = BackupNames()
    if called != ORDERS_PROJECT:
        usual = BackupNames(
            project=called,
            namespace=namespace(tree),
            time_zone="Etc/UTC",
            bucket=f"{called}-prod-backups",
            images=called,
        )
    return replace(
        usual,
        namespace=said.namespace or usual.namespace,
        time_zone=said.time_zone or usual.time_zone,
        bucket=said.bucket or usual.bucket,
        images=said.image or usual.images,
    )


def asks(tree: Tree) -> tuple[str, ...]:
    """Return what a person has to say of names, where neither the tree nor closeout.toml does."""
    if not has_cluster(tree) or project(tree) != UNNAMED:
        return ()
    told = f"nothing says what the project is called, so its manifests say {UNNAMED}: name it as"
    return (f"{told} project below [names] in closeout.toml; namespace, bucket and image too",)


_BACKUP_ENVIRONMENT = {
    "POSTGRES_HOST": "postgres",
    "POSTGRES_PORT": "5432",
    "POSTGRES_USER": "",
    "POSTGRES_PASSWORD_FILE": "/credentials/password",
    "BACKUP_DIR": _DIRECTORY,
    "BACKUP_BUCKET": "",
    "BACKUP_METRICS_FILE": "/backups/backup.prom",
    "TMPDIR": "/tmp",  # noqa: S108 - the pod's own emptyDir
}
_DRILL_ENVIRONMENT = {
    "BACKUP_DIR": _DIRECTORY,
    "RESTORE_SCRATCH": "/tmp",  # noqa: S108 - the pod's own emptyDir
    "RESTORE_METRICS_FILE": "/backups/drill.prom",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledFile:
    """A file to install: rendered from `template`, or copied where it is one of `scripts/`."""

    path: PurePosixPath
    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    mode: int = 0o644

    def content(self) -> bytes:
        """Return the file's bytes."""
        if not self.template.endswith(".j2"):
            return verbatim(self.template)
        return render(self.template, self.values)


def scripts() -> tuple[InstalledFile, ...]:
    """Return the two scripts, which this project keeps as files of its own."""
    return tuple(
        InstalledFile(path=path, template=str(path), mode=0o755)
        for path in (BACKUP_SCRIPT, RESTORE_SCRIPT)
    )


def manifests(names: BackupNames = BackupNames()) -> tuple[InstalledFile, ...]:
    """Return what is rendered: manifests, alerts and the image's Dockerfile."""
    packages = {
        "age": "1.1.1-1+b3",
        "curl": "7.88.1-10+deb12u15",
        "ca-certificates": "20250419~deb12u2",
        "rclone": "1.60.1+dfsg-2+b5",
    }
    cronjob = {
        "namespace": names.namespace,
        "cloud_account": names.account("postgres-backup"),
        "storage": "50Gi",
        "database_label": "postgres",
        "port": 5432,
        "time_zone": names.time_zone,
        "image": f"{names.images}/postgres-backup:{_POSTGRES}-1",
        "backup_script": _block(BACKUP_SCRIPT),
        "restore_script": _block(RESTORE_SCRIPT),
        "jobs": (_backup_job(names), _drill_job()),
    }
    alerts = {"namespace": names.namespace, "backup_age": 26 * 3600, "drill_age": 9 * 86400}
    image = {"postgres": _POSTGRES, "packages": packages}
    return (
        InstalledFile(path=CRONJOB, template="backup/backup-cronjob.yaml.j2", values=cronjob),
        InstalledFile(
            path=PurePosixPath("k8s/backup-alerts.yaml"),
            template="backup/backup-alerts.yaml.j2",
            values=alerts,
        ),
        InstalledFile(
            path=PurePosixPath("k8s/backup-image/Dockerfile"),
            template="backup/Dockerfile.j2",
            values=image,
        ),
    )


def _block(path: PurePosixPath) -> str:
    """Return a script as the text of a YAML block scalar, whose last newline the block adds."""
    return verbatim(str(path)).decode().removesuffix("\n")


def _backup_job(names: BackupNames) -> dict[str, object]:
    return {
        "name": "postgres-backup",
        "container": "backup",
        "schedule": SCHEDULE,
        "deadline": 3 * 3600,
        "command": ["/scripts/backup-database.sh"],
        "environment": _BACKUP_ENVIRONMENT
        | {
            "POSTGRES_USER": f"{names.project.replace('-', '_')}_backup",
            "BACKUP_BUCKET": f"gs://{names.bucket}/daily",
        },
        "credentials": True,
        "ephemeral": "1Gi",
    }


def _drill_job() -> dict[str, object]:
    return {
        "name": "postgres-restore-drill",
        "container": "drill",
        "schedule": _DRILL_SCHEDULE,
        "deadline": 4 * 3600,
        "command": ["/scripts/restore-database.sh", "--drill"],
        "environment": _DRILL_ENVIRONMENT,
        "credentials": False,
        "ephemeral": "50Gi",
    }
