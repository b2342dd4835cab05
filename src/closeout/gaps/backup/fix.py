"""Install the scripts, the jobs and the image where a backup is missing or misleads."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.tree import Overlay
from closeout.gaps.backup import point_in_time
from closeout.gaps.backup.cronjob import cronjob_check
from closeout.gaps.backup.detect import detect, sibling_scripts
from closeout.gaps.backup.manifests import BACKUP_SCRIPT, CRONJOB, Installed, manifests, scripts
from closeout.model import Changeset, Check, Edit, Reason, Source, Unresolved

if TYPE_CHECKING:
    from closeout.model import Tree


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return one changeset each for the scripts, the jobs and the archiving, where they are open.

    The backup script and the restore script come together: one reads what the other writes. The
    jobs are judged on the tree with the new scripts, since their ConfigMap carries them.
    """
    checks = {check.rule: check for check in detect(tree)}
    named = _named(checks["script"], checks["upload"], checks["restore"])
    wanted = scripts() if named else ()
    installed = _changeset("backup-scripts", tree, wanted, _left(tree, checks["script"]))
    jobs = cronjob_check(Overlay(tree, installed.edits))
    wanted = manifests() if _named(jobs) and not jobs.unresolved else ()
    archiving = point_in_time.manifests() if checks["point-in-time"].findings else ()
    made = (
        installed,
        _changeset("backup-jobs", tree, wanted, (*jobs.unresolved, *_other_jobs(jobs))),
        _changeset("point-in-time", tree, archiving, ()),
    )
    return tuple(item for item in made if item.edits or item.unresolved)


def _named(*checks: Check) -> bool:
    return any(finding.named for check in checks for finding in check.findings)


def _changeset(
    name: str, tree: Tree, files: tuple[Installed, ...], left: tuple[Unresolved, ...]
) -> Changeset:
    return Changeset(
        name=name,
        edits=tuple(edit for item in files for edit in _edits(tree, item)),
        source=Source.TEMPLATE,
        unresolved=left,
    )


def _edits(tree: Tree, item: Installed) -> tuple[Edit, ...]:
    before, after = tree.read(item.path), item.content()
    if before == after:
        return ()
    return (Edit(path=item.path, before=before, after=after, mode=item.mode),)


def _left(tree: Tree, check: Check) -> tuple[Unresolved, ...]:
    """Return the other scripts that dump: which of them somebody still needs is not ours to say."""
    open_paths = {finding.path for finding in check.findings}
    return tuple(
        _ambiguous(path, "a second backup script with the same faults")
        for path in sibling_scripts(tree)
        if path in open_paths
    )


def _other_jobs(check: Check) -> tuple[Unresolved, ...]:
    paths = dict.fromkeys(item.path for item in check.findings if item.path != CRONJOB)
    return tuple(_ambiguous(path, "a second backup CronJob with faults") for path in paths)


def _ambiguous(path: PurePosixPath, detail: str) -> Unresolved:
    return Unresolved(
        path=path,
        reason=Reason.AMBIGUOUS,
        detail=detail,
        hint=f"delete it in favour of {BACKUP_SCRIPT}, or mend it the same way.",
    )
