"""The only reader of foreign files: a bounded walk, clean paths, bytes in.

Links are never followed, only regular files are opened, and a file above the size cap or one
that cannot be read is reported instead of raised: the run goes on without it.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path, PurePosixPath

from closeout.fs import prefilter, reading
from closeout.fs.cache import Recall
from closeout.fs.memory_tree import MemoryTree as MemoryTree  # noqa: PLC0414 - given out here, beside the other trees
from closeout.fs.prefilter import Answers
from closeout.fs.reading import Kept, NotingTree, State
from closeout.fs.safe_open import behind_link, checked_root, clean_path, drained, open_below
from closeout.fs.walk import Listing, merged
from closeout.model import Changeset, Edit, FileQuestion, Reason, Tree, Unresolved

SIZE_CAP = 8 * 1024 * 1024
"""Bytes; a larger file is no source file of a work order."""

_serials = count(1)

_GENERATED = frozenset({".crt", ".key"})

_SPARE = 1024 * 1024
"""Bytes of files without interest that are kept all the same, should somebody ask again."""


def below(tree: Tree, folder: PurePosixPath) -> list[PurePosixPath]:
    """Return the paths of the files below `folder`, sorted."""
    return list(reading.below(tree, folder))


class DiskTree:
    """The monorepo at `root`, read once a file."""

    def __init__(self, root: Path, kept: Path | None = None) -> None:
        """Open `root`; raises CloseoutError for a missing, unsafe or empty one.

        `kept` is a file of ours with what an earlier run learnt about it.
        """
        self.root = checked_root(root)
        self.recall = Recall(kept, self.root) if kept else None
        self._bytes: dict[PurePosixPath, bytes | None] = {}
        self._digests: dict[PurePosixPath, bytes] = {}
        self._contents: dict[str, str] = {}
        self._unreadable: dict[PurePosixPath, Unresolved] = {}
        self._answers = Answers(self._ask)
        self._spare = _SPARE

    @cached_property
    def _listing(self) -> Listing:
        return Listing(str(self.root), self._refuse)

    def _refuse(self, path: PurePosixPath, detail: str) -> None:
        self._unreadable[path] = Unresolved(path=path, reason=Reason.UNREADABLE, detail=detail)

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return every regular file below the root, sorted; links and devices are left out."""
        return self._listing.paths

    def ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        """Return the paths with one of these suffixes, sorted."""
        return self._listing.ending(suffixes)

    def candidates(self, question: FileQuestion) -> tuple[PurePosixPath, ...]:
        """Return the paths of the files that meet the question; a file is read once for all."""
        return self._answers.candidates(question, self.ending(question.suffixes))

    def _ask(self, path: PurePosixPath) -> int:
        met = self._answered(path)
        if met & prefilter.RECORDED.bit:
            self._refuse(path, prefilter.RECORD)
        elif met & prefilter.ILLEGIBLE.bit:
            self._refuse(path, "no UTF-8 text: it holds NUL or control bytes, as UTF-16 does")
        return met

    def _answered(self, path: PurePosixPath) -> int:
        recalled = self.recall.known(str(path)) if self.recall else None
        if recalled is not None:
            return recalled[0]
        if not (questions := prefilter.about(path)):
            return 0
        known = path in self._bytes
        entry = self.recall.asking(path) if self.recall and not known else None
        content = self._bytes[path] if known else self._read(path)
        met = prefilter.answers(questions, content) if content is not None else 0
        size = len(content or b"")
        is_read = prefilter.is_read(met)
        if is_read or size <= self._spare:
            self._bytes[path] = content
            self._spare -= 0 if is_read or known else size
        if self.recall and entry and content is not None:
            self.recall.learn(path, entry, met, content)
        return met

    def keep(self) -> None:
        """Keep for the next run what was learnt about files that did not just change."""
        if self.recall:
            self.recall.keep()

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the file's bytes, remembered; None where absent, linked, large or unreadable."""
        if path in self._bytes:  # only clean paths are ever remembered
            return self._bytes[path]
        clean = clean_path(str(path))
        if clean not in self._bytes:
            self._bytes[clean] = None if self._listing.lacks(clean) else self._read(clean)
        return self._bytes[clean]

    def sha256(self, path: PurePosixPath) -> bytes:
        """Return the SHA-256 of the file's bytes; they are not remembered."""
        if path not in self._digests:
            content = self._bytes[path] if path in self._bytes else self._read(path)
            self._digests[path] = hashlib.sha256(content or b"").digest()
        return self._digests[path]

    def content_digest(self, path: str) -> str:
        """Return the SHA-256 of the file's bytes in hexadecimal, empty where there are none.

        A file that is as it was when an earlier run read it is not read.
        """
        if path not in self._contents:
            known = self.recall.known(path) if self.recall else None
            content = self.read(path) if known is None else None
            made = "" if content is None else hashlib.sha256(content).hexdigest()
            self._contents[path] = made if known is None else known[1]
        return self._contents[path]

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
        content, trouble = drained(handle, SIZE_CAP)
        if trouble is not None:
            self._refuse(path, trouble)
        return content

    def mode(self, path: PurePosixPath | str) -> int:
        """Return the file's permission bits, 0o644 where it is absent."""
        try:
            return stat.S_IMODE((self.root / clean_path(str(path))).lstat().st_mode)
        except OSError:
            return 0o644

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return what could not be read so far, sorted by path."""
        return tuple(self._unreadable[path] for path in sorted(self._unreadable))


class Overlay:
    """A tree with edits laid over it; the tree below is never changed."""

    def __init__(
        self, base: Tree, edits: Iterable[Edit] = (), held: frozenset[PurePosixPath] = frozenset()
    ) -> None:
        """Lay `edits` over `base`, later edits over earlier ones; see `staged` for `held` files."""
        self.base = base
        self.held = held
        self._edits: dict[PurePosixPath, Edit] = {}
        self._serial = 0
        self._told: Kept[tuple[PurePosixPath, ...]] = Kept()
        self._by_text: Kept[dict[str, Edit]] = Kept()
        for edit in edits:
            self.lay(edit)

    def lay(self, edit: Edit) -> None:
        """Lay one more edit; the overlay must show what it finds, or already what it leaves."""
        now = self.read(edit.path)
        if now == edit.left:
            return
        if edit.before != now:
            message = f"stale edit of {edit.path}"
            raise ValueError(message)
        self._serial = next(_serials)
        original = self.base.read(edit.path)
        if original == edit.left:
            self._edits.pop(edit.path, None)
            return
        self._edits[edit.path] = replace(edit, before=original)

    def edit_of(self, path: str) -> Edit | None:
        """Return the net edit of a file, None where there is none."""
        texts = self._by_text.get(
            self.state, None, lambda: {str(each): edit for each, edit in self._edits.items()}
        )
        return texts.get(path)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Return the net edits against the base, sorted by path."""
        return tuple(self._edits[path] for path in sorted(self._edits))

    def paths(self) -> tuple[PurePosixPath, ...]:
        """Return every file's path, new ones included, sorted."""
        return self._told.get(self.state, None, self._paths)

    def _paths(self) -> tuple[PurePosixPath, ...]:
        below = self._kept(self.base.paths())
        return merged(below, self._made())

    def ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        """Return the paths with one of these suffixes, new ones included, sorted."""
        return self._told.get(self.state, suffixes, lambda: self._ending(suffixes))

    def _ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        below = self._kept(self.base.ending(suffixes))
        return merged(below, (p for p in self._made() if not suffixes or p.suffix in suffixes))

    def candidates(self, question: FileQuestion) -> tuple[PurePosixPath, ...]:
        """Return the paths of the files that meet the question with the edits, sorted."""
        return self._told.get(self.state, question, lambda: self._candidates(question))

    def _candidates(self, question: FileQuestion) -> tuple[PurePosixPath, ...]:
        below = self.base.candidates(question)
        if not self._edits:
            return below
        edits = self._edits.items()
        after = ((path, edit.after) for path, edit in edits if not edit.removes)
        met = [path for path, content in after if question.is_met_by(path, content)]
        return merged(tuple(path for path in below if path not in self._edits), met)

    def _made(self) -> Iterator[PurePosixPath]:
        return (path for path, edit in self._edits.items() if edit.before is None)

    @property
    def state(self) -> State:
        """Return what is another one where an edit was laid, here or below."""
        below = state(self.base)
        return (self._serial, *below) if self._edits else below

    def read(self, path: PurePosixPath | str) -> bytes | None:
        """Return the edited bytes where there is an edit, else the base's."""
        edit = self._edits.get(path if isinstance(path, PurePosixPath) else clean_path(path))
        return self.base.read(path) if edit is None else edit.left

    def _kept(self, paths: tuple[PurePosixPath, ...]) -> tuple[PurePosixPath, ...]:
        """Return the base's paths but for those whose file an edit removes."""
        removed = {path for path, edit in self._edits.items() if edit.removes}
        return tuple(path for path in paths if path not in removed) if removed else paths

    def sha256(self, path: PurePosixPath) -> bytes:
        """Return the SHA-256 of the edited bytes where there is an edit, else the base's."""
        edit = self._edits.get(path)
        return hashlib.sha256(edit.after).digest() if edit else self.base.sha256(path)

    def mode(self, path: PurePosixPath | str) -> int:
        """Return the edit's permission bits, else the base's."""
        edit = self._edits.get(clean_path(str(path)))
        return self.base.mode(path) if edit is None else edit.mode

    def unreadable(self) -> tuple[Unresolved, ...]:
        """Return what the base could not read."""
        return self.base.unreadable()


def state(tree: Tree) -> State:
    """Return what is another one for each tree with other edits over the same one on disk."""
    if isinstance(tree, NotingTree):
        return state(tree.tree)
    return tree.state if isinstance(tree, Overlay) else ()


def digest(tree: Tree) -> str:
    """Return the SHA-256 over every file's path and bytes, in hexadecimal.

    Keys and certificates below a folder `certs` are left out: they are generated and git-ignored,
    and making them must not turn evidence stale.
    """
    total = hashlib.sha256()
    for path in tree.paths():
        if "certs" in path.parts[:-1] and path.suffix in _GENERATED:
            continue
        total.update(str(path).encode() + b"\0")
        total.update(tree.sha256(path))
    return total.hexdigest()


def staged(tree: Tree, changesets: Iterable[Changeset]) -> Overlay:
    """Return the tree with the changesets, but for those of a file that it says is held.

    A service that stays as it is needs nothing of what its own edits would have asked for.
    """
    held: frozenset[PurePosixPath] = getattr(tree, "held", frozenset())
    laid = (each for each in changesets if held.isdisjoint(edit.path for edit in each.edits))
    return Overlay(tree, (edit for each in laid for edit in each.edits))
