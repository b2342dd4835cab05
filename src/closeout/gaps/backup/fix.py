"""Install the scripts, the jobs and the image where a backup is missing or misleads."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.formats.holdings import has_cluster
from closeout.fs.tree import Overlay
from closeout.gaps.backup import point_in_time
from closeout.gaps.backup.cronjob import cronjob
from closeout.gaps.backup.detect import archive, restore, script, upload
from closeout.gaps.backup.manifests import (
    BACKUP_SCRIPT,
    CRONJOB,
    InstalledFile,
    manifests,
    names_of,
    scripts,
)
from closeout.model import Changeset, Edit, Located, Reason, Source, Tree, Unresolved


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset each for the scripts, the jobs and the archiving, where they are open.

    The backup script and the restore script come together: one reads what the other writes. The
    jobs are judged on the tree with the new scripts, since their ConfigMap carries them; a tree
    that nothing deploys to a cluster gets no job and no archive there.
    """
    found, names = script(tree), names_of(tree)
    siblings = _others(found, BACKUP_SCRIPT, "script with the same faults")
    bad = _is_faulty(found, BACKUP_SCRIPT) or upload(tree).places or restore(tree).places
    installed = _changeset("backup-scripts", tree, scripts() if bad else (), siblings)
    if not has_cluster(tree):
        return (installed,) if installed.edits or installed.unresolved else ()
    jobs = cronjob(Overlay(tree, installed.edits))
    wanted = manifests(names) if _is_faulty(jobs, CRONJOB) and not jobs.unresolved else ()
    other = _others(jobs, CRONJOB, "CronJob with faults")
    role = point_in_time.superuser(tree)
    archiving = point_in_time.manifests(names, role) if archive(tree).places else ()
    made = (
        installed,
        _changeset("backup-jobs", tree, wanted, (*jobs.unresolved, *other)),
        _changeset("point-in-time", tree, archiving, ()),
    )
    return tuple(item for item in made if item.edits or item.unresolved)


def _is_faulty(found: Located, path: PurePosixPath) -> bool:
    return any(place.path == path for place in found.places)


def _changeset(
    name: str, tree: Tree, files: tuple[InstalledFile, ...], left: tuple[Unresolved, ...]
) -> Changeset:
    return Changeset(
        name=name,
        edits=tuple(edit for item in files for edit in _edits(tree, item)),
        source=Source.TEMPLATE,
        unresolved=left,
    )


def _edits(tree: Tree, item: InstalledFile) -> tuple[Edit, ...]:
    before, after = tree.read(item.path), item.content()
    if before == after:
        return ()
    return (Edit(path=item.path, before=before, after=after, mode=item.mode),)


def _others(found: Located, ours: PurePosixPath, what: str) -> tuple[Unresolved, ...]:
    """Return the other files with faults: which of them somebody still needs is not ours to say."""
    return tuple(
        Unresolved(
            path=path,
            reason=Reason.AMBIGUOUS,
            detail=f"a second backup {what}",
            hint=f"delete it in favour of {BACKUP_SCRIPT}, or mend it the same way.",
        )
        for path in dict.fromkeys(place.path for place in found.places)
        if path != ours
    )
