"""A monorepo's files as every detector sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from closeout.model.findings import Unresolved


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FileQuestion:
    """Something to know about every file with one of `suffixes`, or any, that it is asked of."""

    suffixes: frozenset[str]
    concerns: Callable[[PurePosixPath], bool]
    """Decided by the path alone."""
    holds: Callable[[bytes], bool]
    bit: int
    """The question's own bit in the answers about a file."""
    leads_to_reading: bool = True
    """Whether who asks reads the files that meet it; else it is asked whether there is one."""

    def is_met_by(self, path: PurePosixPath, content: bytes) -> bool:
        """Return the answer for one file."""
        is_meant = not self.suffixes or path.suffix in self.suffixes
        return is_meant and self.concerns(path) and self.holds(content)


class Tree(Protocol):
    """A monorepo's files as bytes, on disk or with edits laid over them."""

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return every file's path, sorted."""

    def ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        """Return the paths with one of these suffixes, sorted."""

    def candidates(self, question: FileQuestion) -> tuple[PurePosixPath, ...]:
        """Return the paths of the files that meet the question, sorted."""

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the file's bytes, or None where it is absent or unreadable."""

    def sha256(self, path: PurePosixPath) -> bytes:
        """Return the SHA-256 of the file's bytes, of none where they cannot be read."""

    def mode(self, path: PurePosixPath | str) -> int:
        """Return permission bits, 0o644 for a file that is absent."""

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return the files met so far that could not be read."""
