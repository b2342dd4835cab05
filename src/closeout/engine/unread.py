"""Which files that nobody could read leave a ruling in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from closeout.fs.prefilter import RECORD
from closeout.fs.walk import FOLDER, NOWHERE
from closeout.model import Check, Unresolved

EMPTY = frozenset([RECORD, NOWHERE])
"""Why a file is not read that could not have been what is looked for."""

_VAGUE = frozenset(["", ".json", ".toml", ".txt", ".md"])
"""Suffixes of files that are read for their name."""

_ALIKE = {
    **dict.fromkeys([".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts"], ".ts"),
    ".yml": ".yaml",
}
"""Suffixes whose files are read for the same: whoever looks into one may look into the other."""


def unjudged(checks: Sequence[Check], unreadable: Sequence[Unresolved]) -> list[Unresolved]:
    """Return the unreadable files that one of the checks would have had to look into.

    A check asks files by their kind: the suffix, or the whole name where a suffix says little. A
    folder may hold any kind. What the checks themselves refuse is left out, and so is what is no
    source at all.
    """
    kinds = {_kind(path) for check in checks for path in check.examined}
    told = {item.path for check in checks for item in check.unresolved}
    return [
        item
        for item in unreadable
        if kinds
        and item.path not in told
        and item.detail not in EMPTY
        and (item.detail.startswith(FOLDER) or _kind(item.path) in kinds)
    ]


def _kind(path: PurePosixPath) -> str:
    return path.name if path.suffix in _VAGUE else _ALIKE.get(path.suffix, path.suffix)
