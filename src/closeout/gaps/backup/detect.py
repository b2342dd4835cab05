"""Find a missing or misleading backup: the script, the job, the upload and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.prefilter import question
from closeout.gaps.backup.cronjob import cronjob_check
from closeout.gaps.backup.manifests import BACKUP_SCRIPT, RESTORE_SCRIPT
from closeout.gaps.backup.point_in_time import JOBS, archives
from closeout.model import Check, Finding

if TYPE_CHECKING:
    from closeout.model import Tree

SLUG = "backup"

_ENGINES = re.compile(rb"\b(pgbackrest|wal-g|barman)\b")
"""Programs that verify, publish and expire by themselves."""
_DUMP = re.compile(rb"\bpg_dump(all)?\b")
_UPLOAD = re.compile(rb"\b(rclone|gcloud storage|aws s3(api)?|gsutil|mc cp|azcopy|s3cmd)\b")
_COMMENT = re.compile(rb"(?m)^[ \t]*#[^\n]*")

_TRAPS = (
    (
        "no-pipefail",
        re.compile(rb"pipefail"),
        "a dump that fails in a pipe ends with status 0: pipefail is not set",
    ),
    (
        "unverified",
        re.compile(rb"\bpg_restore\b|\bpg_verifybackup\b"),
        "a dump is kept and uploaded without being read back",
    ),
    (
        "not-atomic",
        re.compile(rb"(?m)^[ \t]*mv\b|\bos\.replace\b"),
        "a half-written dump stands under its final name",
    ),
)
"""What a script must contain: rule, pattern, and what goes wrong without it."""
_FORBIDDEN = (
    (
        "prunes-by-age",
        re.compile(rb"find\b[^\n]*-mtime[^\n]*-delete"),
        "old backups are deleted by age alone, the last good one included",
    ),
    (
        "fixed-list",
        re.compile(rb"(?m)^[ \t]*(?:readonly )?DATABASES=\([^)\s]"),
        "databases are listed by hand, so a new one is never backed up",
    ),
)


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return one check for each of the four criteria, and one for the recovery plan's RPO."""
    return (
        _script_check(tree),
        cronjob_check(tree),
        _upload_check(tree),
        _archive_check(tree),
        _restore_check(tree),
    )


def faults(script: bytes) -> tuple[tuple[str, int, str], ...]:
    """Return rule, line and message of each known trap in a script's bytes."""
    code = _code(script)
    dump = _DUMP.search(code)
    if _ENGINES.search(code):
        return ()
    if dump is None:
        return (("no-dump", 1, "the script dumps no database"),)
    line = _line(code, dump.start())
    missing = [(rule, line, text) for rule, pattern, text in _TRAPS if not pattern.search(code)]
    present = [
        (rule, _line(code, match.start()), text)
        for rule, pattern, text in _FORBIDDEN
        if (match := pattern.search(code))
    ]
    return (*missing, *present)


_DUMPING = question(
    (".sh",), lambda content: b"pg_dump" in content and _DUMP.search(_code(content)) is not None
)


def sibling_scripts(tree: Tree) -> Iterator[PurePosixPath]:
    """Yield other shell scripts that dump a database, which the order does not name."""
    for path in tree.candidates(_DUMPING):
        if path not in {BACKUP_SCRIPT, RESTORE_SCRIPT}:
            yield path


def _script_check(tree: Tree) -> Check:
    siblings = tuple(sibling_scripts(tree))
    found: list[Finding] = []
    for path in (BACKUP_SCRIPT, *siblings):
        content = tree.read(path)
        if content is None:
            found.append(_missing(path, "9.1", "there is no backup script"))
            continue
        lines = content.splitlines()
        found += [
            Finding(
                gap=SLUG,
                rule=f"script-{rule}",
                criterion="9.1",
                path=path,
                line=line,
                message=message,
                excerpt=lines[line - 1].decode("utf-8", "replace").strip() if lines else "",
                named=path == BACKUP_SCRIPT,
            )
            for rule, line, message in faults(content)
        ]
    return Check(
        rule="script",
        criterion="9.1",
        examined=(BACKUP_SCRIPT, *siblings),
        findings=tuple(found),
    )


def _upload_check(tree: Tree) -> Check:
    code = _code(tree.read(BACKUP_SCRIPT) or b"")
    found = []
    if not _UPLOAD.search(code) and not _ENGINES.search(code):
        found.append(_missing(BACKUP_SCRIPT, "9.3", "no finished backup is uploaded"))
    return Check(rule="upload", criterion="9.3", examined=(BACKUP_SCRIPT,), findings=tuple(found))


def _archive_check(tree: Tree) -> Check:
    found = []
    examined = archives(tree)
    if not examined and not _ENGINES.search(_code(tree.read(BACKUP_SCRIPT) or b"")):
        message = "no WAL is archived, so a disaster may cost a day: the plan allows 15 minutes"
        found.append(
            Finding(
                gap=SLUG,
                rule="point-in-time-missing",
                criterion="9.4",
                path=JOBS,
                line=1,
                message=message,
                excerpt="",
                named=False,
            )
        )
    return Check(
        rule="point-in-time",
        criterion="9.4",
        examined=examined or (JOBS,),
        findings=tuple(found),
    )


def _restore_check(tree: Tree) -> Check:
    code = _code(tree.read(RESTORE_SCRIPT) or b"")
    found = []
    if not code:
        found.append(_missing(RESTORE_SCRIPT, "9.4", "there is no restore procedure"))
    elif not re.search(rb"--exit-on-error|ON_ERROR_STOP|\bpgbackrest\b|\bwal-g\b", code):
        message = "a restore goes on after an error and ends with status 0"
        found.append(_missing(RESTORE_SCRIPT, "9.4", message))
    return Check(rule="restore", criterion="9.4", examined=(RESTORE_SCRIPT,), findings=tuple(found))


def _missing(path: PurePosixPath, criterion: str, message: str) -> Finding:
    return Finding(
        gap=SLUG,
        rule={"9.1": "script-missing", "9.3": "upload-missing"}.get(criterion, "restore-missing"),
        criterion=criterion,
        path=path,
        line=1,
        message=message,
        excerpt="",
        named=True,
    )


def _code(content: bytes) -> bytes:
    """Return the script with its comment lines blanked, lines and offsets kept."""
    return _COMMENT.sub(lambda match: b" " * len(match[0]), content)


def _line(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1
