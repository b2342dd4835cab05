"""Say which criteria are about nothing that a tree has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.console import failures
from closeout.errors import CloseoutError
from closeout.formats.declarations import FILE, asked_gaps
from closeout.fs.once import once
from closeout.fs.reading import NotingTree
from closeout.model import FileQuestion, Gap, Subject, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Why a criterion does not apply, and what the files were asked for it."""

    because: str
    questions: tuple[FileQuestion, ...] = ()

    def may_be_in(self, path: PurePosixPath) -> bool:
        """Return whether a file's content could have been what was not found."""
        return any(
            item.concerns(path) and (not item.suffixes or path.suffix in item.suffixes)
            for item in self.questions
        )


def joined(absences: Iterable[Absence]) -> Absence:
    """Return several absences as one: what rests on all of them is about nothing."""
    found = tuple(absences)
    return Absence(
        because="; ".join(dict.fromkeys(item.because for item in found)),
        questions=tuple(question for item in found for question in item.questions),
    )


Absent = Mapping[str, Absence]
"""The id of each criterion that does not apply to a tree, and why."""


def absent(gap: Gap, tree: Tree) -> Absent:
    """Return the criteria of the gap, its manual checks too, that do not apply to `tree`.

    Of a gap that closeout.toml leaves out, none does.
    """
    asked = asked_gaps(tree)
    if asked is not None and gap.slug not in asked:
        numbers = (*gap.criteria, *(item for each in gap.subjects for item in each.criteria))
        left_out = Absence(because=f"{FILE} leaves out the gap {gap.slug}")
        return dict.fromkeys(numbers, left_out)
    return {
        number: absence
        for subject in gap.subjects
        if (absence := _absence(tree, subject)) is not None
        for number in subject.criteria
    }


@once
def _absence(tree: Tree, subject: Subject) -> Absence | None:
    asked = tree if isinstance(tree, NotingTree) else NotingTree(tree)
    if subject.is_in(asked):
        return None
    questions = tuple(about for _, about in asked.seen if isinstance(about, FileQuestion))
    return Absence(because=subject.absence, questions=questions)


def absent_of(gaps: Iterable[Gap], tree: Tree) -> Absent:
    """Return the criteria of all gaps that do not apply; a gap that fails by itself says none.

    Raises CloseoutError("declaration-unusable") for a closeout.toml that its schema refuses.
    """
    found: dict[str, Absence] = {}
    for gap in gaps:
        try:
            found |= absent(gap, tree)
        except CloseoutError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug stays in its gap
            failures.noted(f"{gap.slug}: subjects", error)
    return found
