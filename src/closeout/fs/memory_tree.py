"""A tree that stands on no disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from closeout.fs.safe_open import clean_path
from closeout.model import FileQuestion, Unresolved


class MemoryTree:
    """A tree of given bytes: what a test or a case file describes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Hold `files`, path text to bytes."""
        self._files = {clean_path(path): content for path, content in files.items()}

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return the given paths, sorted."""
        return tuple(sorted(self._files))

    def ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        """Return the given paths with one of these suffixes, sorted."""
        return tuple(path for path in self.paths() if not suffixes or path.suffix in suffixes)

    def candidates(self, question: FileQuestion) -> tuple[PurePosixPath, ...]:
        """Return the paths of the given files that meet the question, sorted."""
        return tuple(path for path in self.paths() if question.is_met_by(path, self._files[path]))

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the given bytes, or None."""
        return self._files.get(clean_path(str(path)))

    def sha256(self, path: PurePosixPath) -> bytes:
        """Return the SHA-256 of the given bytes, or of none."""
        return hashlib.sha256(self.read(path) or b"").digest()

    def mode(self, path: PurePosixPath | str) -> int:
        """Return 0o644: a given file carries no permission bits."""
        del path
        return 0o644

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return nothing: given bytes are always readable."""
        return ()
