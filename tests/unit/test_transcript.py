"""The transcript is what commands print today, and fits the width that people have."""

from __future__ import annotations

import re
from pathlib import Path

from closeout.console.layout import WIDTH
from tests.support.strangers import SHOP
from tools import transcript

HOME = Path(__file__).resolve().parents[2]
_DIFF = re.compile(r"^diff --git .*?^\n", re.DOTALL | re.MULTILINE)
_WHOLE = re.compile(r"  (?:\w+=\S+ )*(?:invoke|nox|k8s/\S+) .*|\s*[+~!]? ?\S+")
"""A line that is one command, which is copied, or one path."""
_THINGS = "places|files|gaps|criteria|probes|answers|certificates|secret variables|claims"


def test_transcript_is_what_the_commands_print_on_both_trees() -> None:
    """`python -m tools transcript` makes it anew; read what moved before you keep it."""
    kept = (HOME / transcript.PAGE).read_text()
    assert transcript.played(SHOP) == kept


def test_no_line_is_wider_than_a_terminal_unless_it_is_a_path_or_a_command() -> None:
    """A diff's lines are its files' own."""
    wide = [line for line in _told() if len(line) > WIDTH and not _WHOLE.fullmatch(line)]
    assert wide == []


def test_one_is_singular_and_none_and_many_are_plural() -> None:
    """Numbers and their things agree."""
    plural = re.compile(rf"\b1 (?:other )?(?:{_THINGS})\b")
    singular = re.compile(r"\b(?:[02-9]|\d\d+) (?:place|file|gap|criterion|answer|probe)\b")
    assert [line for line in _told() if plural.search(line) or singular.search(line)] == []


def _told() -> list[str]:
    """Return what commands say of themselves: no diff, and no line between the blocks."""
    blocks = re.findall(r"```console\n(.*?)```", (HOME / transcript.PAGE).read_text(), re.DOTALL)
    assert len(blocks) > 20
    return [line for block in blocks for line in _DIFF.sub("", block).splitlines()]
