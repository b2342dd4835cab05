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


def test_numbers_agree_between_the_commands_that_tell_them() -> None:
    """Places and criteria are the same in detect, plan, fix, report and audit; tables add up."""
    for title in ("The bundled monorepo", "A small shop that no order was written for"):
        sums = _sums(title)
        whole = {sums[words] for words in ("fix.all", "report.build", "audit.all")}
        assert len(whole) == 1, sums
        ((criteria, _, before, after),) = whole
        assert (criteria, after) == (47, 0)
    detected = re.search(
        r"\$ invoke detect.all --root shop.*?(\d+) places open", _page(), re.DOTALL
    )
    assert detected
    assert int(detected[1]) == before == _sums("A small shop")["fix.all --dry-run"][2]


def _sums(title: str) -> dict[str, tuple[int, str, int, int]]:
    """Return the last lines that count criteria, by command; each is held to its own table."""
    part = _page().partition(f"## {title}")[2].partition("\n## ")[0]
    made = {}
    for block in re.findall(r"```console\n(.*?)```", part, re.DOTALL):
        summed = re.search(r"(\d+) criteri\w+: (.*?); (\d+) places? open before, (\d+) now", block)
        if not summed:
            continue
        rows = re.findall(r"^[ \d]\d  .{46} ([ \d]{6}) ([ \d]{6})  [A-Z_]+$", block, re.MULTILINE)
        columns = [sum(int(row[side]) for row in rows) for side in (0, 1)]
        total, counts, before, after = int(summed[1]), summed[2], int(summed[3]), int(summed[4])
        assert columns == [before, after], block
        assert sum(map(int, re.findall(r"(\d+) [A-Z]", counts))) == total, block
        words = re.match(r"\$ invoke (\S+)(?: --root \S+)?( --dry-run| --diff)?", block)
        assert words
        made["".join(filter(None, words.groups()))] = (total, counts, before, after)
    return made


def _page() -> str:
    return (HOME / transcript.PAGE).read_text()


def _told() -> list[str]:
    """Return what commands say of themselves: no diff, and no line between the blocks."""
    blocks = re.findall(r"```console\n(.*?)```", _page(), re.DOTALL)
    assert len(blocks) > 20
    return [line for block in blocks for line in _DIFF.sub("", block).splitlines()]
