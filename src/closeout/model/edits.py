"""What a fix proposes: edits, changesets and patches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from closeout.model.findings import Unresolved
from closeout.model.tree import Tree


class Source(Enum):
    """Where a changeset's text comes from; only CODE is kept as a prepared patch."""

    CODE = "code"
    TEMPLATE = "template"
    SUITE = "suite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One file's bytes before and after; `before` None creates it, `mode` is permission bits.

    One that removes its file has nothing after.
    """

    path: PurePosixPath
    before: bytes | None
    after: bytes
    mode: int = 0o644
    removes: bool = False

    @classmethod
    def of(cls, tree: Tree, path: PurePosixPath, after: bytes) -> Edit:
        """Return what makes the file at `path`, there or not, be `after`."""
        return cls(path=path, before=tree.read(path), after=after, mode=tree.mode(path))

    @property
    def left(self) -> bytes | None:
        """Return what stands at the path afterwards; None for nothing."""
        return None if self.removes else self.after

    def __post_init__(self) -> None:
        """Refuse an edit that changes nothing and a path that could leave the tree."""
        if self.before == self.left:
            message = f"an edit of {self.path} that changes nothing"
            raise ValueError(message)
        if self.path.is_absolute() or ".." in self.path.parts:
            message = f"an edit outside the tree: {self.path}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeset:
    """Edits that stand or fall together: one service, one chart, one suite."""

    name: str
    """Kebab-case; becomes the prepared patch's file name after its number."""
    edits: tuple[Edit, ...]
    source: Source = Source.CODE
    unresolved: tuple[Unresolved, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A unified diff with its origin: prepared in this project, or derived on the tree."""

    slug: str
    name: str
    diff: bytes
    targets: tuple[PurePosixPath, ...]
    origin: str

    @property
    def sha256(self) -> str:
        """Return the diff's digest in hexadecimal."""
        return hashlib.sha256(self.diff).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one gap wants written, and what it will not touch."""

    gap: str
    edits: tuple[Edit, ...]
    patches: tuple[Patch, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
