"""The prepared patches: an index with digests, and the patches that are as it says.

A patch that is missing or altered was never reviewed in that form; its targets are withheld from
the fix instead of being mended some other way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode
from closeout.fs import codec, patching
from closeout.fs.safe_open import clean_path
from closeout.model import Changeset, Patch, Reason, Unresolved

INDEX = "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One prepared patch as the index lists it."""

    file: str
    sha256: str
    targets: tuple[PurePosixPath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSet:
    """One gap's prepared patches in order, and the places whose patch cannot be used."""

    patches: tuple[Patch, ...]
    withheld: tuple[Unresolved, ...]

    @property
    def digest(self) -> str:
        """Return what tells this set from another one."""
        parts = (*(item.sha256 for item in self.patches), repr(self.withheld))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def without(self, refused: tuple[Unresolved, ...]) -> PreparedSet:
        """Return the set with what is `refused` withheld as well, and no patch of its files."""
        paths = {item.path for item in refused}
        kept = tuple(each for each in self.patches if paths.isdisjoint(each.targets))
        return PreparedSet(patches=kept, withheld=(*self.withheld, *refused))


def load(folder: Path, slug: str) -> PreparedSet:
    """Return the prepared patches of the gap `slug` from `folder`, the project's `patches/`."""
    patches: list[Patch] = []
    withheld: list[Unresolved] = []
    for entry in _index(folder).get(slug, ()):
        name = f"patches/{slug}/{entry.file}"
        place = folder / slug / entry.file
        content = place.read_bytes() if place.is_file() else None
        if content is None or hashlib.sha256(content).hexdigest() != entry.sha256:
            what = "is missing" if content is None else "was altered since it was prepared"
            withheld += [
                Unresolved(
                    path=clean_path(str(target)),
                    reason=Reason.MISSING if content is None else Reason.DRIFTED,
                    detail=f"{name} {what}",
                    hint="invoke patches.prepare regenerates it from the reference monorepo.",
                )
                for target in entry.targets
            ]
        else:
            patches.append(patching.read_patch(slug, name, content, "prepared"))
    return PreparedSet(patches=tuple(patches), withheld=tuple(withheld))


def build(changesets: Mapping[str, Iterable[Changeset]]) -> dict[PurePosixPath, bytes]:
    """Return the files of `patches/`, path below it to bytes, for each gap's CODE changesets."""
    files: dict[PurePosixPath, bytes] = {}
    index: dict[str, list[IndexEntry]] = {}
    for slug, sets in changesets.items():
        entries: list[IndexEntry] = []
        for number, changeset in enumerate(sets, start=1):
            name = f"{number:02d}-{changeset.name}.patch"
            content = patching.diff(changeset.edits)
            files[PurePosixPath(slug) / name] = content
            targets = patching.read_patch(slug, name, content, "prepared").targets
            entries.append(
                IndexEntry(file=name, sha256=hashlib.sha256(content).hexdigest(), targets=targets)
            )
        if entries:
            index[slug] = entries
    files[PurePosixPath(INDEX)] = json.dumps(codec.plain(index), indent=1).encode() + b"\n"
    return files


def _index(folder: Path) -> Mapping[str, tuple[IndexEntry, ...]]:
    try:
        return codec.decode(dict[str, tuple[IndexEntry, ...]], (folder / INDEX).read_bytes())
    except (OSError, ValueError) as error:
        raise CloseoutError(
            "patches-unusable",
            f"patches/{INDEX} cannot be read: {error}",
            hint="invoke patches.prepare regenerates it from the reference monorepo.",
            exit_code=ExitCode.GAPS_LEFT,
        ) from error
