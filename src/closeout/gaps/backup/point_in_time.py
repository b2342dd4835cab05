"""Name the files that archive WAL beside the nightly dump, and find trees that archive none."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.formats import compose
from closeout.formats.interpolation import unset
from closeout.fs.prefilter import holds, matches, question
from closeout.gaps.backup.manifests import BackupNames, InstalledFile
from closeout.resources import render

if TYPE_CHECKING:
    from closeout.model import Tree

FOLDER = PurePosixPath("k8s/point-in-time")
JOBS = FOLDER / "pgbackrest.yaml"
PATCH = FOLDER / "kustomization.yaml"

RPO_MINUTES = 15
"""What the platform's recovery plan asks for."""
ARCHIVE_MINUTES = 5
"""A third of it: one failed attempt, and one alert, still fit in."""

SUPERUSER = "postgres"
"""The role of a server that was given no name for it."""
_SERVES = re.compile(r"postg|timescale|pgvector")
_ROLE = re.compile(r"[A-Za-z_][\w-]*")

_POSTGRES = "16.10"
_SERVER = {
    "wal_level": "replica",
    "archive_mode": "on",
    "archive_timeout": f"{ARCHIVE_MINUTES}min",
    "archive_command": 'pgbackrest --stanza=main archive-push "%p"',
}
_JOB = "; ".join(
    f"pgbackrest --stanza=main {step}"
    for step in ("stanza-create", "check", "--type=%s backup", "verify")
)
_RESTORE = (
    'pgbackrest --stanza=main --delta --type=time --target="${RESTORE_TARGET:?name a moment}"'
    " --target-action=promote restore"
)
_SERVE = (
    "touch /tmp/read; server=$BASHPID; (while sleep 600; do"
    " if [ /certificates/tls.crt -nt /tmp/read ]; then"
    ' touch /tmp/read; kill -HUP "$server"; fi; done) & exec pgbackrest server'
)
"""A signal only for a new certificate: pgBackRest binds its port anew, which ends it where a
connection comes in at that very moment. No `$$`: Kubernetes makes a single dollar sign of it."""
_VALUES: dict[str, object] = {
    "stanza": "main",
    "client": "postgres-pgbackrest",
    "service": "postgres-pgbackrest",
    "tls_port": 8432,
    "statefulset": "postgres",
    "container": "postgres",
    "database_label": "postgres",
    "volume": "data",
    "mount": "/var/lib/postgresql/data",
    "data": "/var/lib/postgresql/data/pgdata",
    "owner": 999,
    "schedules": {"full": "0 3 * * 0", "diff": "0 3 * * 1-6"},
    "keep_full": 2,
    "keep_diff": 6,
    "rpo_minutes": RPO_MINUTES,
    "archive_minutes": ARCHIVE_MINUTES,
    "base_age": 26 * 3600,
    "postgres": _SERVER,
    "job_script": _JOB,
    "restore_script": _RESTORE,
    "server_script": _SERVE,
}
_EMPTY = rb"[ \t]*[=:][ \t]*(?:''|\"\")?[ \t]*(?:#[^\n]*)?\r?$"
_ARCHIVING = re.compile(
    rb"^[^#\n]*\b(?:archive_command\b(?!" + _EMPTY + rb")|barmanObjectStore\b)", re.MULTILINE
)
"""The setting with a command, or an operator's; a remark and an empty one archive nothing."""
_ARCHIVES = question(
    (".yml", ".yaml", ".conf", ".sh", ".tpl", ".tf"),
    lambda content: (
        holds(content, (b"archive_command", b"barmanObjectStore")) and matches(content, _ARCHIVING)
    ),
)


def archives(tree: Tree) -> tuple[PurePosixPath, ...]:
    """Return the files that have a server archive its WAL, by whatever engine."""
    return tree.candidates(_ARCHIVES)


def superuser(tree: Tree) -> str:
    """Return the role that compose makes the tree's servers with; the usual one where they differ.

    The image's own default counts for a server that names none.
    """
    found = {
        unset(item.variables.get("POSTGRES_USER", "")) or ("" if item.env_files else SUPERUSER)
        for item in compose.all_services(tree)
        if _SERVES.search(item.image)
    }
    role = found.pop() if len(found) == 1 else ""
    return role if _ROLE.fullmatch(role) else SUPERUSER


def manifests(
    names: BackupNames = BackupNames(),  # noqa: B008 - it is frozen
    role: str = SUPERUSER,
) -> tuple[InstalledFile, ...]:
    """Return everything that is rendered below FOLDER; `role` is the server's superuser."""
    own = _VALUES | {
        "namespace": names.namespace,
        "cloud_account": names.account("postgres-pgbackrest"),
        "bucket": names.bucket,
        "image": f"{names.images}/postgres-pgbackrest:{_POSTGRES}-1",
        "time_zone": names.time_zone,
        "role": role,
    }
    values = own | {
        f"{whose}_conf": _conf(f"backup/pgbackrest-{whose}.conf.j2", own)
        for whose in ("database", "job")
    }
    image = {
        "postgres": _POSTGRES,
        "packages": {"ca-certificates": "20250419+deb13u1", "pgbackrest": "2.55.1-1"},
    }
    parts = {
        JOBS: "pgbackrest.yaml.j2",
        PATCH: "pgbackrest-kustomization.yaml.j2",
        FOLDER / "restore.yaml": "pgbackrest-restore.yaml.j2",
        FOLDER / "README.md": "pgbackrest-README.md.j2",
    }
    return (
        *(
            InstalledFile(path=path, template=f"backup/{name}", values=values)
            for path, name in parts.items()
        ),
        InstalledFile(
            path=FOLDER / "image" / "Dockerfile",
            template="backup/pgbackrest.Dockerfile.j2",
            values=image,
        ),
    )


def _conf(template: str, values: dict[str, object]) -> str:
    """Return a rendered file as the text of a YAML block scalar, whose last newline it adds."""
    return render(template, values).decode().removesuffix("\n")
