"""The patches that runs used or derived, a file at a time, as a page shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout.runs import store
from closeout.runs.plan_record import DIFF_NAMES

_FILE = re.compile(r"(?m)^(?=diff --git )")
_PATH = re.compile(r"^diff --git a/(.+) b/")

_HEADS = (
    *("--- a/", "--- /dev/null", "+++ b/", "+++ /dev/null", "diff --git "),
    *("index ", "new file mode ", "deleted file mode ", "old mode ", "new mode "),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What a patch does to one file."""

    gap: str
    title: str
    """The file's path."""
    origin: str
    text: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Return the diff's lines, each with its kind: add, del, at or none."""
        return [(_kind(line), line) for line in self.text.rstrip("\n").split("\n")]

    @property
    def size(self) -> str:
        """Return how many lines the diff adds and takes away."""
        kinds = [kind for kind, _ in self.lines]
        return f"+{kinds.count('add')} -{kinds.count('del')}"


def diffs_of(folders: Sequence[Path], slugs: Sequence[str]) -> tuple[Diff, ...]:
    """Return the diffs that runs kept, each named NNN-gap-name.origin.patch, of the given gaps."""
    made = []
    for place in (place for folder in folders for place in store.kept(folder, DIFF_NAMES)):
        title, origin = place.stem.split("-", 1)[1].rsplit(".", 1)
        gap = max((slug for slug in slugs if title.startswith(f"{slug}-")), key=len, default="")
        text = place.read_bytes().decode("utf-8", "replace")
        made += [
            Diff(gap=gap, title=_path(part), origin=origin, text=part)
            for part in _FILE.split(text)
            if part.strip()
        ]
    return tuple(made)


def _path(text: str) -> str:
    found = _PATH.match(text)
    return found[1] if found else "nothing"


def _kind(line: str) -> str:
    if line.startswith(_HEADS):
        return "at"
    return {"+": "add", "-": "del", "@": "at"}.get(line[:1], "")
