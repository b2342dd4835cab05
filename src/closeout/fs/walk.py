"""Walk a folder: every regular file below it in order of its path, no link followed."""

from __future__ import annotations

import errno
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from closeout.fs.safe_open import is_plain_name, printable

TEMPORARY_SUFFIX = ".closeout-tmp"
"""Ends the name of a file being written; a walk leaves such leftovers out."""

JOURNAL = ".closeout-journal"
"""The folder at a tree's top where a run keeps its lock and what it is about to write."""

SKIPPED_FOLDERS = frozenset(
    [
        JOURNAL,
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

FOLDER = "folder"
"""Begins what is told of a folder that nobody could look into: it may hold anything."""

NOWHERE = "it is a symbolic link that leads nowhere"
"""What is told of a link that holds nothing: whoever opens it finds no file."""
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

_Refuse = Callable[[PurePosixPath, str], None]
_Entry = tuple[PurePosixPath, os.DirEntry[str]]


class Listing:
    """The paths of a tree, sorted, and those with given suffixes."""

    def __init__(self, root: str, refuse: _Refuse) -> None:
        """Walk the folder `root`; what cannot be walked is told to `refuse`."""
        self._names: dict[PurePosixPath, frozenset[str]] = {}
        self.paths = tuple(walk(root, refuse, self._names))
        self._places: dict[str, list[int]] = {}
        self._ending: dict[frozenset[str], tuple[PurePosixPath, ...]] = {}
        for place, path in enumerate(self.paths):
            self._places.setdefault(path.suffix, []).append(place)

    def ending(self, suffixes: frozenset[str]) -> tuple[PurePosixPath, ...]:
        """Return the paths with one of these suffixes, sorted; all where there is no suffix."""
        if not suffixes:
            return self.paths
        if suffixes not in self._ending:
            places = sorted(place for each in suffixes for place in self._places.get(each, ()))
            self._ending[suffixes] = tuple(self.paths[place] for place in places)
        return self._ending[suffixes]

    def lacks(self, path: PurePosixPath) -> bool:
        """Return whether nothing stood at `path`, nor a link on the way, when it was walked."""
        for folder in path.parents:
            if folder in self._names:
                return path.parts[len(folder.parts)] not in self._names[folder]
        return False


def is_below(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Return whether `path` stands inside `folder`: its parents are costly to look through."""
    depth = len(folder.parts)
    return len(path.parts) > depth and path.parts[:depth] == folder.parts


def merged(
    below: tuple[PurePosixPath, ...], new: Iterable[PurePosixPath]
) -> tuple[PurePosixPath, ...]:
    """Return sorted paths with others in between, each once."""
    found = list(below)
    for path in new:  # to compare parts is to compare paths, and several times faster
        at = bisect_left(found, path.parts, key=lambda other: other.parts)
        if found[at : at + 1] != [path]:
            found.insert(at, path)
    return tuple(found) if len(found) > len(below) else below


def walk(
    root: str, refuse: _Refuse, names: dict[PurePosixPath, frozenset[str]]
) -> Iterator[PurePosixPath]:
    """Yield the paths of the files below `root`; what cannot be walked is told to `refuse`.

    All names in each folder that is walked are put in `names`.
    """
    # By name, folder by folder: that is the order of sorted paths. A stack of our own, since
    # folders may nest deeper than the interpreter recurses.
    waiting = _entries(root, PurePosixPath(), refuse, names)
    while waiting:
        path, entry = waiting.pop()
        if not is_plain_name(entry.name):
            refuse(printable(path), _odd_name(entry))
        elif entry.is_dir(follow_symlinks=False):
            if entry.name not in SKIPPED_FOLDERS:
                waiting += _entries(entry.path, path, refuse, names)
        elif entry.is_file(follow_symlinks=False):
            if not entry.name.endswith(TEMPORARY_SUFFIX):
                yield path
        elif not entry.is_symlink():
            refuse(path, "not a regular file")
        elif why := _outside(entry, root):
            refuse(path, why)


def comes_to(path: PurePosixPath) -> bool:
    """Return whether a walk names the file at `path` wherever there is one that can be read."""
    return (
        not path.name.endswith(TEMPORARY_SUFFIX)
        and SKIPPED_FOLDERS.isdisjoint(path.parts[:-1])
        and all(map(is_plain_name, path.parts))
    )


def _entries(
    folder: str,
    prefix: PurePosixPath,
    refuse: _Refuse,
    names: dict[PurePosixPath, frozenset[str]],
) -> list[_Entry]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name, reverse=True)
    except OSError as error:
        refuse(prefix, f"{FOLDER} cannot be listed: {error.strerror}")
        return []
    names[prefix] = frozenset(entry.name for entry in found)
    return [(prefix / entry.name, entry) for entry in found]


def _outside(link: os.DirEntry[str], root: str) -> str:
    """Return why a link is told; empty where its target is walked at a place of its own."""
    try:
        target = Path(link.path).resolve(strict=True)
        what = FOLDER if link.is_dir() else "it"
    except RuntimeError:  # in a circle, before Python 3.13
        return NOWHERE
    except OSError as error:
        return NOWHERE if error.errno in _LOST else "it is a symbolic link nobody may follow"
    inside = target.is_relative_to(Path(root).resolve())
    return "" if inside else f"{what} is a symbolic link that leads out of the tree"


def _odd_name(entry: os.DirEntry[str]) -> str:
    what = f"{FOLDER}, whose" if entry.is_dir(follow_symlinks=False) else "its"
    return f"{what} name is not plain text"
