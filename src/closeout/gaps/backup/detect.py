"""Find a missing or misleading backup: the script, the job, the upload and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from closeout.fs.prefilter import question
from closeout.gaps.backup.manifests import BACKUP_SCRIPT, RESTORE_SCRIPT
from closeout.gaps.backup.point_in_time import JOBS, archives
from closeout.model import Located, Place, Tree
from closeout.parsing import shell

_ENGINES = re.compile(rb"\b(pgbackrest|wal-g|barman)\b")
"""Programs that verify, publish and expire by themselves."""
_DUMP = re.compile(rb"\bpg_dump(all)?\b")
_UPLOAD = re.compile(rb"\b(rclone|gcloud storage|aws s3(api)?|gsutil|mc cp|azcopy|s3cmd)\b")
_STOPS = re.compile(rb"--exit-on-error|ON_ERROR_STOP|\bpgbackrest\b|\bwal-g\b")

_PIPEFAIL = re.compile(rb"\b(?:set|shopt)\b[^\n;&|]*\bpipefail\b|-\w*o[ \t]+pipefail\b")
_TRAPS = (
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


def faults(script: bytes) -> tuple[tuple[str, int, str], ...]:
    """Return rule, line and message of each known trap in a script's bytes."""
    code = shell.commands(script)
    dump = _DUMP.search(code)
    if _ENGINES.search(code):
        return ()
    if dump is None:
        return (("no-dump", 1, "the script dumps no database"),)
    line = _line(code, dump.start())
    missing = [(rule, line, text) for rule, pattern, text in _TRAPS if not pattern.search(code)]
    if not _PIPEFAIL.search(shell.unquoted(script)):
        message = "a dump that fails in a pipe ends with status 0: pipefail is not set"
        missing.insert(0, ("no-pipefail", line, message))
    present = [
        (rule, _line(code, match.start()), text)
        for rule, pattern, text in _FORBIDDEN
        if (match := pattern.search(code))
    ]
    return (*missing, *present)


_DUMPING = question(
    (".sh",),
    lambda content: b"pg_dump" in content and _DUMP.search(shell.commands(content)) is not None,
)


def sibling_scripts(tree: Tree) -> Iterator[PurePosixPath]:
    """Yield other shell scripts that dump a database, which the order does not name."""
    for path in tree.candidates(_DUMPING):
        if path not in {BACKUP_SCRIPT, RESTORE_SCRIPT}:
            yield path


def script(tree: Tree) -> Located:
    """Return where a script that dumps is missing or falls into a known trap."""
    scripts = (BACKUP_SCRIPT, *sibling_scripts(tree))
    return Located(
        examined=scripts, places=tuple(place for path in scripts for place in _traps(tree, path))
    )


def upload(tree: Tree) -> Located:
    """Return whether a finished backup leaves the server."""
    code = shell.commands(tree.read(BACKUP_SCRIPT) or b"")
    held = _UPLOAD.search(code) or _ENGINES.search(code)
    return _one(BACKUP_SCRIPT, "" if held else "upload-missing")


def archive(tree: Tree) -> Located:
    """Return whether the server's WAL is archived."""
    found = archives(tree)
    if found or _ENGINES.search(shell.commands(tree.read(BACKUP_SCRIPT) or b"")):
        return Located(examined=found or (JOBS,))
    return _one(JOBS, "point-in-time-missing")


def restore(tree: Tree) -> Located:
    """Return whether a restore is there, and stops at an error."""
    code = shell.commands(tree.read(RESTORE_SCRIPT) or b"")
    if not code:
        return _one(RESTORE_SCRIPT, "restore-missing")
    message = "a restore goes on after an error and ends with status 0"
    return _one(RESTORE_SCRIPT, "" if _STOPS.search(code) else "restore-missing", message)


def _traps(tree: Tree, path: PurePosixPath) -> Iterator[Place]:
    content = tree.read(path)
    if content is None:
        yield Place(path=path, rule="script-missing", named=True)
        return
    for rule, line, message in faults(content):
        yield Place(path=path, line=line, rule=f"script-{rule}", message=message)


def _one(path: PurePosixPath, rule: str, message: str = "") -> Located:
    """Return one file, and it as the place where `rule` is broken, if one is."""
    place = Place(path=path, rule=rule, message=message, excerpt="")
    return Located(examined=(path,), places=(place,) if rule else ())


def _line(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1
