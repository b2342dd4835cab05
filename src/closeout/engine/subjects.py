"""Say which criteria are about nothing that a tree has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from closeout.console import failures
from closeout.model import Gap, Tree

Absent = Mapping[str, str]
"""The id of each criterion that does not apply to a tree, and why."""


def absent(gap: Gap, tree: Tree) -> Absent:
    """Return the criteria of the gap, its manual checks too, that do not apply to `tree`."""
    return {
        number: subject.absence
        for subject in gap.subjects
        if not subject.is_in(tree)
        for number in subject.criteria
    }


def absent_of(gaps: Iterable[Gap], tree: Tree) -> Absent:
    """Return the criteria of all gaps that do not apply; a gap that fails by itself says none."""
    found: dict[str, str] = {}
    for gap in gaps:
        try:
            found |= absent(gap, tree)
        except Exception as error:  # noqa: BLE001 - a bug stays in its gap
            failures.noted(f"{gap.slug}: subjects", error)
    return found
