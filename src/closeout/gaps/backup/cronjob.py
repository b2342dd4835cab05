"""Judge the backup's CronJob: its hour, its zone, its limits and what it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.once import once
from closeout.fs.prefilter import question
from closeout.fs.reading import stands_in
from closeout.gaps.backup.manifests import BACKUP_SCRIPT, CRONJOB, RESTORE_SCRIPT, SCHEDULE
from closeout.model import Located, Place, Reason, Tree, Unresolved

if TYPE_CHECKING:
    from closeout.formats.manifests import Document

_REQUIRED = (
    ("timeZone", "2 AM is the controller's zone, not yours: spec.timeZone is missing"),
    ("startingDeadlineSeconds", "a missed start is never given up: no startingDeadlineSeconds"),
    ("successfulJobsHistoryLimit", "spec.successfulJobsHistoryLimit is missing"),
    ("failedJobsHistoryLimit", "spec.failedJobsHistoryLimit is missing"),
)
_POD = ("spec", "jobTemplate", "spec", "template", "spec")

_Fault = tuple[int, str, str]
"""Line, rule and message."""


@once
def cronjob(tree: Tree) -> Located:
    """Return the faults of the manifest that the order names, and of other backup CronJobs."""
    places: list[Place] = []
    unresolved: list[Unresolved] = []
    examined = [CRONJOB]
    if tree.read(CRONJOB) is None:
        places.append(Place(path=CRONJOB, rule="cronjob-missing"))
    for path, content in _candidates(tree):
        made = _parsed(content)
        if isinstance(made, int):
            unresolved += _unparsable(path, made)
        elif path == CRONJOB or any(_is_backup(item) for item in made):
            examined.append(path)
            places += [
                Place(path=path, line=line, rule=f"cronjob-{rule}", message=message, excerpt="")
                for line, rule, message in _file_faults(tree, content, made)
            ]
    return Located(
        examined=tuple(dict.fromkeys(examined)),
        places=tuple(places),
        unresolved=tuple(unresolved),
    )


def _parsed(content: bytes) -> tuple[Document, ...] | int:
    """Return the file's documents, or the line at which it stops being YAML."""
    import yaml  # noqa: PLC0415 - heavy, and only a tree with a CronJob needs it

    from closeout.formats.manifests import documents  # noqa: PLC0415 - loads the parser

    try:
        return documents(content)
    except yaml.YAMLError as error:
        return int(getattr(getattr(error, "problem_mark", None), "line", 0)) + 1


def _file_faults(tree: Tree, content: bytes, made: tuple[Document, ...]) -> Iterator[_Fault]:
    from closeout.formats.manifests import validate  # noqa: PLC0415 - loads the schemas

    for problem in validate(content):
        message = f"{problem.subject} {problem.pointer}: {problem.message}"
        yield problem.line, f"schema-{problem.rule}", message
    jobs = [item for item in made if _is_backup(item)]
    if not jobs:
        yield 1, "missing", "no CronJob in it runs a backup"
    for item in made:
        yield from _stale_scripts(tree, item)
    named = {(item.kind, str(item.field("metadata", "name"))) for item in made}
    for job in jobs:
        yield from _faults(job, named)


_JOBS = question(
    (".yml", ".yaml"),
    lambda content: b"CronJob" in content and b"backup" in content.lower(),
    lambda path: "templates" not in path.parts,
)


def _candidates(tree: Tree) -> Iterator[tuple[PurePosixPath, bytes]]:
    named = (CRONJOB,) if stands_in(tree, CRONJOB) else ()
    for path in sorted({*tree.candidates(_JOBS), *named}):
        yield path, tree.read(path) or b""


def _unparsable(path: PurePosixPath, line: int) -> Iterator[Unresolved]:
    if path == CRONJOB:
        yield Unresolved(
            path=path, reason=Reason.UNPARSABLE, line=line, detail="the manifest is no YAML"
        )


def _is_backup(document: Document) -> bool:
    if document.kind != "CronJob":
        return False
    containers = document.field(*_POD, "containers") or []
    words = str(
        [[item.get("command"), item.get("args")] for item in containers if isinstance(item, dict)]
    )
    return "pg_dump" in words or "backup-database" in words


def _faults(job: Document, named: set[tuple[str, str]]) -> Iterator[_Fault]:
    if job.field("spec", "schedule") != SCHEDULE:
        line = job.line_of(("spec", "schedule"))
        yield line, "schedule", f"the backup does not run daily at two: not {SCHEDULE!r}"
    spec = job.line_of(("spec",))
    for name, message in _REQUIRED:
        if job.field("spec", name) is None:
            yield spec, name, message
    if job.field("spec", "concurrencyPolicy") != "Forbid":
        yield spec, "concurrency", "two runs may overlap: concurrencyPolicy is not Forbid"
    if job.field("spec", "jobTemplate", "spec", "activeDeadlineSeconds") is None:
        yield spec, "deadline", "a run that hangs never ends: no activeDeadlineSeconds"
    yield from _pod_faults(job)
    yield from _dangling(job, named)


def _pod_faults(job: Document) -> Iterator[_Fault]:
    pod = job.line_of(_POD)
    if job.field(*_POD, "securityContext", "runAsNonRoot") is not True:
        yield pod, "security-context", "the pod may run as root: runAsNonRoot is not set"
    if job.field(*_POD, "automountServiceAccountToken") is not False:
        yield pod, "token", "the pod holds a cluster token that it does not need"
    for item in job.field(*_POD, "containers") or []:
        if not isinstance(item, dict):
            continue
        if not (item.get("resources") or {}).get("limits"):
            yield pod, "resources", f"container {item.get('name')!r} has no resource limits"
        if (item.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
            yield pod, "read-only", f"container {item.get('name')!r} may write to its image"
        if str(item.get("image", "")).startswith("postgres:"):
            yield pod, "image", f"the image {item['image']} holds no upload tool"


def _dangling(job: Document, named: set[tuple[str, str]]) -> Iterator[_Fault]:
    """Yield what the pod mounts and its own file does not define, secrets aside."""
    wanted = []
    for volume in job.field(*_POD, "volumes") or []:
        if isinstance(volume, dict):
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            wanted += [("PersistentVolumeClaim", claim)] if claim else []
            scripts = (volume.get("configMap") or {}).get("name")
            wanted += [("ConfigMap", scripts)] if scripts else []
    account = job.field(*_POD, "serviceAccountName")
    wanted.append(("ServiceAccount", account or "(none named)"))
    for kind, name in wanted:
        if (kind, str(name)) not in named:
            yield job.line_of(_POD), "dangling", f"{kind} {name} is defined nowhere in the file"


def _stale_scripts(tree: Tree, document: Document) -> Iterator[_Fault]:
    """Yield each script in a ConfigMap that is not the one in the tree: the cluster runs it."""
    if document.kind != "ConfigMap":
        return
    for script in (BACKUP_SCRIPT, RESTORE_SCRIPT):
        carried, own = document.field("data", script.name), tree.read(script)
        if carried is not None and own is not None and str(carried).encode() != own:
            line = document.line_of(("data", script.name))
            yield line, "stale-script", f"it carries another text than {script}"
