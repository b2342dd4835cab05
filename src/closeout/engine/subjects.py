"""Say which criteria are about nothing that a tree has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from closeout.console import failures
from closeout.errors import CloseoutError
from closeout.formats.declarations import FILE, asked_gaps
from closeout.model import Gap, Tree

Absent = Mapping[str, str]
"""The id of each criterion that does not apply to a tree, and why."""


def absent(gap: Gap, tree: Tree) -> Absent:
    """Return the criteria of the gap, its manual checks too, that do not apply to `tree`.

    Of a gap that closeout.toml leaves out, none does.
    """
    asked = asked_gaps(tree)
    if asked is not None and gap.slug not in asked:
        numbers = (*gap.criteria, *(item for each in gap.subjects for item in each.criteria))
        return dict.fromkeys(numbers, f"{FILE} leaves out the gap {gap.slug}")
    return {
        number: subject.absence
        for subject in gap.subjects
        if not subject.is_in(tree)
        for number in subject.criteria
    }


def absent_of(gaps: Iterable[Gap], tree: Tree) -> Absent:
    """Return the criteria of all gaps that do not apply; a gap that fails by itself says none.

    Raises CloseoutError("declaration-unusable") for a closeout.toml that its schema refuses.
    """
    found: dict[str, str] = {}
    for gap in gaps:
        try:
            found |= absent(gap, tree)
        except CloseoutError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug stays in its gap
            failures.noted(f"{gap.slug}: subjects", error)
    return found
