"""Notes: a word was kept for later.

Problem. A note says LATER, and nobody comes back to it. Before: `LATER`. After: `DONE`.
"""

from pathlib import PurePosixPath

from closeout.model import (
    Changeset,
    Criterion,
    Edit,
    Gap,
    Located,
    Means,
    Place,
    Rule,
    Subject,
    Tree,
)

NOTES = frozenset({".note"})


def _notes(tree: Tree) -> dict[PurePosixPath, bytes]:
    return {path: tree.read(path) or b"" for path in tree.ending(NOTES)}


def _kept(tree: Tree) -> Located:
    found = _notes(tree)
    places = (
        Place(path=path, line=number)
        for path, content in found.items()
        for number, line in enumerate(content.splitlines(), start=1)
        if line == b"LATER"
    )
    return Located(examined=tuple(found), places=tuple(places))


def _fix(tree: Tree) -> tuple[Changeset, ...]:
    return tuple(
        Changeset(
            name=path.stem,
            edits=(Edit(path=path, before=content, after=content.replace(b"LATER", b"DONE")),),
        )
        for path, content in _notes(tree).items()
        if b"LATER" in content.splitlines()
    )


GAP = Gap(
    slug="kept-notes",
    issue=101,
    title="Words kept for later",
    priority="P2",
    criteria=("notes.1",),
    brings=(
        Criterion(
            id="notes.1",
            text="No note keeps a word for later.",
            source_digest="",
            means=Means.STATIC,
            settled_by="invoke detect.all",
        ),
    ),
    subjects=(
        Subject(what="note", criteria=("notes.1",), is_in=lambda tree: bool(tree.ending(NOTES))),
    ),
    rules=(Rule(id="kept", criterion="notes.1", locate=_kept, message="a word is kept for later"),),
    fix=_fix,
    guide=__doc__,
)
