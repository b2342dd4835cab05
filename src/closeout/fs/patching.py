"""Unified diffs: read them safely, try them, stage them, write them.

`git apply` does the work in a scratch folder without a repository, so that the target's git
configuration and hooks are never consulted (ADR 0004).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from closeout import process
from closeout.errors import CloseoutError, ExitCode
from closeout.fs.safe_open import clean_path, is_plain_name
from closeout.model import Edit, Patch, Tree
from closeout.process import scratch

_HEADER = re.compile(rb"^diff --git a/(.+) b/(.+)$", re.MULTILINE)
_HUNK = re.compile(rb"^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@", re.MULTILINE)
_HOW = (
    *("--no-index", "--no-color", "--no-ext-diff", "--no-prefix", "--no-renames"),
    *("--full-index", "--diff-algorithm=histogram"),
)
_DIGITS = 7
_NUMBERED = re.compile(rb"(?:--- a|\+\+\+ b)/\d{7}")
_NUMBERED_SIDE = re.compile(rb"\b([ab])/\d{7}\b")

_NEW_FILE = re.compile(rb"^new file mode (\d{6})$", re.MULTILINE)
_FORBIDDEN = re.compile(
    rb"^(deleted file mode|rename (from|to)|copy (from|to)|GIT binary patch|new file mode 120000"
    rb"|old mode|new mode)",
    re.MULTILINE,
)

_SIDE = re.compile(rb"^(?:---|\+\+\+) (.*)$", re.MULTILINE)

_GIT_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
}


def read_patch(slug: str, name: str, diff: bytes, origin: str) -> Patch:
    """Return the diff as a Patch after checking every path in it.

    Raises CloseoutError("patch-unusable") for a diff that deletes, renames, links, changes modes
    or carries binary data, and CloseoutError("unsafe-path") for a path that leaves the tree.
    """
    targets = []
    for section in _sections(diff):
        header = _HEADER.match(section)
        if header is None or not _is_plain(header, _head(section)) or not _is_text(header[1]):
            raise CloseoutError(
                "patch-unusable",
                f"{name} holds something other than edits and new files.",
                hint="regenerate it: invoke patches.prepare.",
                exit_code=ExitCode.GAPS_LEFT,
            )
        targets.append(clean_path(header[1].decode()))
    if not targets:
        raise CloseoutError(
            "patch-unusable",
            f"{name} holds no diff.",
            hint="regenerate it: invoke patches.prepare.",
            exit_code=ExitCode.GAPS_LEFT,
        )
    return Patch(slug=slug, name=name, diff=diff, targets=tuple(targets), origin=origin)


def _is_text(name: bytes) -> bool:
    """Tell whether a path can be shown, and is not in the quotes that git gives odd ones."""
    try:
        return is_plain_name(name.decode()) and not name.endswith(b'"')
    except UnicodeDecodeError:
        return False


def _is_plain(header: re.Match[bytes], head: bytes) -> bool:
    """Tell whether a section edits or makes the one file that its header names."""
    sides = {b"a/" + header[1], b"b/" + header[1], b"/dev/null"}
    named = (side[1].split(b"\t")[0] for side in _SIDE.finditer(head))
    return header[1] == header[2] and not _FORBIDDEN.search(head) and sides.issuperset(named)


def may_apply(tree: Tree, patch: Patch) -> bool:
    """Return False where `git apply` cannot succeed, told without starting it.

    A hunk fits only where all of its old lines stand together, and a new file only where none is.
    """
    for path, section in zip(patch.targets, _sections(patch.diff), strict=True):
        content = tree.read(path)
        makes = _NEW_FILE.search(_head(section)) is not None
        if makes is (content is not None):
            return False
        if content is not None and any(old not in content for old in _old_lines(section)):
            return False
    return True


def _old_lines(section: bytes) -> list[bytes]:
    starts = [match.end() for match in _HUNK.finditer(section)]
    ends = [*(match.start() for match in _HUNK.finditer(section)), len(section)][1:]
    return [_before(section[start:end]) for start, end in zip(starts, ends, strict=True)]


def _before(hunk: bytes) -> bytes:
    lines = hunk.split(b"\n")[1:]  # what stands beside the second @@ is no line of the file
    old = b"\n".join(line[1:] for line in lines if line[:1] in {b" ", b"-"})
    return old.rstrip(b"\n")  # the last line of a file may lack its newline


def joined(patches: Sequence[Patch]) -> Patch:
    """Return the patches of one gap, each with targets of its own, as one."""
    return replace(
        patches[0],
        diff=b"".join(patch.diff for patch in patches),
        targets=tuple(path for patch in patches for path in patch.targets),
    )


def stage(tree: Tree, patch: Patch) -> tuple[Edit, ...]:
    """Return the edits that `patch` makes on `tree`; raises CloseoutError where it does not fit."""
    modes = {path: made for path, made in _kinds(patch) if made}
    with _staged(tree, patch) as folder:
        if not _apply(folder, patch):
            raise CloseoutError(
                "patch-drifted",
                f"{patch.name} no longer fits {patch.targets[0]} (line {first_line(patch)}).",
                hint=f"invoke fix.{patch.slug} --dry-run shows the derived patch.",
                exit_code=ExitCode.GAPS_LEFT,
            )
        return tuple(
            Edit(
                path=path,
                before=tree.read(path),
                after=(folder / path).read_bytes(),
                mode=modes.get(path) or tree.mode(path),
            )
            for path in patch.targets
        )


def diff(edits: Sequence[Edit]) -> bytes:
    """Return the edits as one unified diff in git's format, byte-exact and reproducible."""
    return diffs([edits])[0]


def diffs(changes: Sequence[Sequence[Edit]]) -> tuple[bytes, ...]:
    """Return each group of edits as `diff` does; one git process makes them all."""
    ordered = sorted(
        ((number, edit) for number, edits in enumerate(changes) for edit in edits),
        key=lambda item: (item[0], *map(os.fsencode, item[1].path.parts)),
    )
    made = [b""] * len(changes)
    for section in _sections(_compared([edit for _, edit in ordered]) if ordered else b""):
        head = _head(section)
        number, edit = ordered[int(head.split(b"/")[1].split()[0])]
        made[number] += _named(head, os.fsencode(edit.path)) + section[len(head) :]
    return tuple(made)


def _compared(edits: Sequence[Edit]) -> bytes:
    """Return how git tells the edits apart, each by its number: a folder a path costs more."""
    with scratch.folder("diff", scratch.in_memory()) as folder:
        for side in ("a", "b"):
            (folder / side).mkdir()
        for number, edit in enumerate(edits):
            name = f"{number:0{_DIGITS}}"
            if edit.before is not None:
                _put(folder / "a" / name, edit.before, edit.mode)
            if not edit.removes:
                _put(folder / "b" / name, edit.after, edit.mode)
        result = process.run(
            ["git", "diff", *_HOW, "a", "b"],
            cwd=folder,
            env={**_GIT_ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(folder)},
        )
    if result.code not in {0, 1}:
        raise CloseoutError(
            "git-missing",
            f"git could not compare the edits: {result.err.strip()}",
            hint="install git and run the command again.",
        )
    return result.raw


def _named(head: bytes, path: bytes) -> bytes:
    """Return a section's head with the file's path for its number, written as git writes it."""
    quoted = path.replace(b'"', b'\\"')
    mark = b'"' if quoted != path else b""
    left, right = (mark + side + quoted + mark for side in (b"a/", b"b/"))
    end = b"\t" if b" " in path else b""
    lines = head.split(b"\n")
    lines[0] = b"diff --git " + left + b" " + right
    for at, line in enumerate(lines[1:], start=1):
        if _NUMBERED.fullmatch(line):
            lines[at] = line[:4] + (left if line[4:5] == b"a" else right) + end
        elif line.startswith(b"Binary files "):
            lines[at] = _NUMBERED_SIDE.sub(lambda side: left if side[1] == b"a" else right, line)
    return b"\n".join(lines)


def hunks(patch: Patch) -> tuple[Patch, ...]:
    """Return the patch's hunks, each as a patch of its own; a new file is one hunk."""
    single = []
    for path, section in zip(patch.targets, _sections(patch.diff), strict=True):
        starts = [hunk.start() for hunk in _HUNK.finditer(section)]
        ends = [*starts[1:], len(section)]
        single += [
            replace(patch, diff=_head(section) + section[start:end], targets=(path,))
            for start, end in zip(starts, ends, strict=True)
        ]
    return tuple(single)


def revert(folder: Path, patch: Patch) -> bool:
    """Take the patch out of a private copy in `folder` again; return whether it could be."""
    # Fewer lines of context are enough where another patch changed the neighbourhood.
    return any(_apply(folder, patch, "--reverse", f"-C{lines}") for lines in (3, 2, 1))


def first_line(patch: Patch) -> int:
    """Return the line of the patch's first hunk in the file it edits, at least 1."""
    hunk = _HUNK.search(patch.diff)
    return max(1, int(hunk[1])) if hunk else 1


def _sections(text: bytes) -> list[bytes]:
    starts = [match.start() for match in re.finditer(rb"^diff --git ", text, re.MULTILINE)]
    ends = [*starts[1:], len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=False)]


def _head(section: bytes) -> bytes:
    hunk = _HUNK.search(section)
    return section[: hunk.start()] if hunk else section


def _kinds(patch: Patch) -> list[tuple[PurePosixPath, int]]:
    """Return each target with the mode it is created with, 0 where it is edited."""
    kinds = []
    for path, section in zip(patch.targets, _sections(patch.diff), strict=True):
        made = _NEW_FILE.search(_head(section))
        kinds.append((path, int(made[1], 8) & 0o777 if made else 0))
    return kinds


@contextmanager
def _staged(tree: Tree, patch: Patch) -> Iterator[Path]:
    with scratch.folder("stage") as folder:
        for path in patch.targets:
            content = tree.read(path)
            if content is not None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                _put(folder / path, content, tree.mode(path))
        yield folder


def _put(place: Path, content: bytes, mode: int) -> None:
    place.write_bytes(content)
    if mode & 0o100:  # git asks for nothing else of a mode
        place.chmod(mode | 0o600)


def _apply(folder: Path, patch: Patch, *options: str) -> bool:
    done = process.run(
        ["git", "apply", "--whitespace=nowarn", *options, "-"],
        cwd=folder,
        env={**_GIT_ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        stdin=patch.diff,
    )
    for number in (errno.ENOSPC, errno.EDQUOT):
        # Where git finds no room, the patch fits as well as it did before.
        if not done.ok and os.strerror(number) in done.err:
            raise OSError(number, os.strerror(number), str(folder))
    return done.ok
