"""The only reader of foreign files: a bounded walk, clean paths, bytes in.

Links are never followed, only regular files are opened, and a file above the size cap or one
that cannot be read is reported instead of raised: the run goes on without it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from closeout.errors import CloseoutError
from closeout.model import Edit, Reason, Unresolved
from closeout.opening import behind_link, is_plain_name, open_below, printable

SIZE_CAP = 8 * 1024 * 1024
"""Bytes; a larger file is no source file of a work order."""

TEMPORARY_SUFFIX = ".closeout-tmp"
"""Ends the name of a file being written; a walk leaves such leftovers out."""

SKIPPED_FOLDERS = frozenset(
    [
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        ".venv",
        "venv",
        "__pycache__",
        ".nox",
        ".tox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".closeout",
        "coverage",
        "target",
        ".next",
    ]
)
"""Folders that hold no sources; dist and build are kept, since some trees commit them."""


class Tree(Protocol):
    """A monorepo's files as bytes, on disk or with edits laid over them."""

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return every file's path, sorted."""

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the file's bytes, or None where it is absent or unreadable."""

    def mode(self, path: PurePosixPath | str) -> int:
        """Return permission bits, 0o644 for a file that is absent."""

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return the files met so far that could not be read."""


def clean_path(text: str) -> PurePosixPath:
    """Return `text` as a relative POSIX path.

    Raises CloseoutError("unsafe-path") for `..`, absolute, drive, backslash and NUL paths.
    """
    path = PurePosixPath(text)
    unsafe = (
        not text
        or "\0" in text
        or "\\" in text
        or path.is_absolute()
        or ".." in path.parts
        or (len(text) > 1 and text[1] == ":")
    )
    if unsafe:
        raise CloseoutError(
            "unsafe-path",
            f"{text!r} is not a clean path inside the monorepo.",
            hint="use a relative path with forward slashes and without '..'.",
        )
    return path


def below(tree: Tree, folder: PurePosixPath) -> list[PurePosixPath]:
    """Return the paths of the files below `folder`, sorted."""
    parts = folder.parts
    return [path for path in tree.paths() if path.parts[: len(parts)] == parts]


class DiskTree:
    """The monorepo at `root`, read once a file."""

    def __init__(self, root: Path) -> None:
        """Open `root`; raises CloseoutError for a missing, unsafe or empty one."""
        self.root = _checked_root(root)
        self._bytes: dict[PurePosixPath, bytes | None] = {}
        self._unreadable: dict[PurePosixPath, Unresolved] = {}

    @cached_property
    def _listing(self) -> tuple[PurePosixPath, ...]:
        return tuple(self._walk())

    def _walk(self) -> Iterator[PurePosixPath]:
        # By name, folder by folder: that is the order of sorted paths. A stack of our own, since
        # folders may nest deeper than the interpreter recurses.
        waiting = self._entries(str(self.root), PurePosixPath())
        while waiting:
            path, entry = waiting.pop()
            if not is_plain_name(entry.name):
                self._refuse(printable(path), "its name is not plain text")
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED_FOLDERS:
                    waiting += self._entries(entry.path, path)
            elif entry.is_file(follow_symlinks=False):
                if not entry.name.endswith(TEMPORARY_SUFFIX):
                    yield path
            elif not entry.is_symlink():
                self._refuse(path, "not a regular file")

    def _entries(
        self, folder: str, prefix: PurePosixPath
    ) -> list[tuple[PurePosixPath, os.DirEntry[str]]]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            self._refuse(prefix, f"folder cannot be listed: {error.strerror}")
            return []
        return [(prefix / entry.name, entry) for entry in found]

    def _refuse(self, path: PurePosixPath, detail: str) -> None:
        self._unreadable[path] = Unresolved(path=path, reason=Reason.UNREADABLE, detail=detail)

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return every regular file below the root, sorted; links and devices are left out."""
        return self._listing

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the file's bytes, remembered; None where absent, linked, large or unreadable."""
        if path in self._bytes:  # only clean paths are ever remembered
            return self._bytes[path]
        clean = clean_path(str(path))
        if clean not in self._bytes:
            self._bytes[clean] = self._read(clean)
        return self._bytes[clean]

    def _read(self, path: PurePosixPath) -> bytes | None:
        try:
            handle = open_below(self.root, path)
        except (FileNotFoundError, NotADirectoryError):
            if behind_link(self.root, path):
                self._refuse(path, "behind a symbolic link")
            return None
        except OSError as error:
            self._refuse(path, f"cannot be opened: {error.strerror}")
            return None
        with os.fdopen(handle, "rb") as stream:
            trouble = _trouble(os.fstat(stream.fileno()))
            if trouble is None:
                return stream.read(SIZE_CAP)
        self._refuse(path, trouble)
        return None

    def mode(self, path: PurePosixPath | str) -> int:
        """Return the file's permission bits, 0o644 where it is absent."""
        try:
            return stat.S_IMODE((self.root / clean_path(str(path))).lstat().st_mode)
        except OSError:
            return 0o644

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return what could not be read so far, sorted by path."""
        return tuple(self._unreadable[path] for path in sorted(self._unreadable))


def _trouble(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if not status.st_mode & 0o444:  # root could read it; its owner says nobody should
        return "nobody may read it"
    if status.st_size > SIZE_CAP:
        return f"larger than {SIZE_CAP} bytes"
    return None


def _checked_root(root: Path) -> Path:
    hint = "name the monorepo's top folder: --root DIR."
    resolved = root.expanduser().resolve()
    if not resolved.is_dir():
        raise CloseoutError("root-missing", f"{root} is not a folder.", hint=hint)
    if resolved == Path(resolved.anchor) or resolved == Path.home().resolve():
        raise CloseoutError("root-unsafe", f"{resolved} is not a monorepo's folder.", hint=hint)
    if not os.access(resolved, os.R_OK | os.X_OK):
        raise CloseoutError("root-unreadable", f"{resolved} cannot be read.", hint=hint)
    return resolved


class Overlay:
    """A tree with edits laid over it; the tree below is never changed."""

    def __init__(self, base: Tree, edits: Iterable[Edit] = ()) -> None:
        """Lay `edits` over `base`, later edits over earlier ones."""
        self.base = base
        self._edits: dict[PurePosixPath, Edit] = {}
        self._listing: tuple[PurePosixPath, ...] | None = None
        for edit in edits:
            self.lay(edit)

    def lay(self, edit: Edit) -> None:
        """Lay one more edit; its `before` must be what the overlay shows now."""
        if edit.before != self.read(edit.path):
            message = f"stale edit of {edit.path}"
            raise ValueError(message)
        self._listing = None
        original = self.base.read(edit.path)
        if original == edit.after:
            self._edits.pop(edit.path, None)
            return
        self._edits[edit.path] = Edit(
            path=edit.path, before=original, after=edit.after, mode=edit.mode
        )

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Return the net edits against the base, sorted by path."""
        return tuple(self._edits[path] for path in sorted(self._edits))

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return every file's path, new ones included, sorted."""
        if self._listing is None:
            below = self.base.paths()
            new = self._edits.keys() - set(below)
            # Sorting parts is sorting paths, and several times faster.
            everything = sorted((*below, *new), key=lambda path: path.parts)
            self._listing = tuple(everything) if new else below
        return self._listing

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the edited bytes where there is an edit, else the base's."""
        edit = self._edits.get(path if isinstance(path, PurePosixPath) else clean_path(path))
        return self.base.read(path) if edit is None else edit.after

    def mode(self, path: PurePosixPath | str) -> int:
        """Return the edit's permission bits, else the base's."""
        edit = self._edits.get(clean_path(str(path)))
        return self.base.mode(path) if edit is None else edit.mode

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return what the base could not read."""
        return self.base.unreadable()


class MemoryTree:
    """A tree of given bytes: what a test or a case file describes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Hold `files`, path text to bytes."""
        self._files = {clean_path(path): content for path, content in files.items()}

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return the given paths, sorted."""
        return tuple(sorted(self._files))

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the given bytes, or None."""
        return self._files.get(clean_path(str(path)))

    def mode(self, path: PurePosixPath | str) -> int:
        """Return 0o644: a given file carries no permission bits."""
        del path
        return 0o644

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return nothing: given bytes are always readable."""
        return ()


_KEPT_BY_GIT = frozenset({"README.md", ".gitkeep", ".gitignore"})


def digest(tree: Tree) -> str:
    """Return the SHA-256 over every file's path and bytes, in hexadecimal.

    Generated keys and certificates (`certs/*` but for the instructions) are left out: they are
    git-ignored, and making them must not turn evidence stale.
    """
    total = hashlib.sha256()
    for path in tree.paths():
        if "certs" in path.parts[:-1] and path.name not in {"README.md", ".gitkeep"}:
            continue
        content = tree.read(path)
        total.update(str(path).encode() + b"\0")
        total.update(hashlib.sha256(content or b"").digest())
    return total.hexdigest()
