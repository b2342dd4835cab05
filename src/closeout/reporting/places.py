"""Open places as lines for a terminal: a group a gap, a file once, a place once, its hint once."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.engine import rules
from closeout.model import Finding, Gap, Unresolved
from closeout.runs.plan_record import Change

WIDTH = 100
"""Columns that a line takes at most, unless it is a path or a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Where one gap is open on a tree, and what would be written there."""

    gap: Gap
    findings: Sequence[Finding] = ()
    refused: Sequence[Unresolved] = ()
    """What is left alone; `left_alone` tells it, with the same of the other gaps."""
    changes: Sequence[Change] = ()
    """The files that would be written."""
    added: Collection[PurePosixPath] = frozenset()
    """Those of them that are not there yet."""


def counted(count: int, thing: str, plural: str = "") -> str:
    """Return a number and its thing, such as `1 place` or `2 places`."""
    return f"{count} {thing if count == 1 else plural or thing + 's'}"


def told(group: Group, *, whole: bool) -> list[str]:
    """Return the group's lines: its head, then each file with its places.

    With `whole`, no text is cut, and the origin of every file is told. `+` marks a file that
    would be added, `~` one that would be changed.
    """
    refused = {(item.path, item.line) for item in group.refused}
    left = [item for item in group.findings if (item.path, item.line) not in refused]
    lines = [_head(group)]
    for path, mark in _files(group, left).items():
        lines.append(f"  {mark} {path}{_origin(group, path, whole=whole)}")
        lines += _places([item for item in left if item.path == path], whole=whole)
    return lines


def _head(group: Group) -> str:
    total, unnamed = len(rules.spots(group.findings)), rules.unnamed(group.findings)
    told = counted(total, "place") + (f" ({unnamed} not named by the order)" if unnamed else "")
    files = f", {counted(len(group.changes), 'file')}" if group.changes else ""
    return f"{group.gap.issue:>2}  {group.gap.title}: {told}{files}"


def _files(group: Group, left: Sequence[Finding]) -> dict[PurePosixPath, str]:
    """Return every file that has something to say, with its sign."""
    written = {change.path for change in group.changes}
    signs = {path: "+" if path in group.added else "~" for path in written}
    return {path: signs.get(path, " ") for path in sorted({*written, *(at.path for at in left)})}


def _origin(group: Group, path: PurePosixPath, *, whole: bool) -> str:
    origins = {change.origin for change in group.changes if change.path == path}
    shown = origins if whole else origins & {"derived"}
    return f"  ({', '.join(sorted(shown))})" if shown else ""


def _places(findings: Iterable[Finding], *, whole: bool) -> list[str]:
    by_text: dict[tuple[int, str], list[str]] = {}
    for item in findings:
        by_text.setdefault((item.line, item.message), []).append(item.criterion)
    told = {at: " ".join(dict.fromkeys(criteria)) for at, criteria in by_text.items()}
    wide = max(map(len, told.values()), default=0)
    lines, last = [], 0
    for (line, message), criteria in sorted(told.items()):
        number = "" if line == last else str(line)
        lines.append(fitted(f"{number:>9}  {criteria:<{wide}}  ", message, whole=whole))
        last = line
    return lines


def left_alone(refused: Mapping[str, Sequence[Unresolved]], *, whole: bool) -> list[str]:
    """Return the lines of what is left alone or cannot be judged, a place once, a hint once.

    `refused` is by the gap's slug, empty for what concerns all of them.
    """
    slugs: dict[Unresolved, list[str]] = {}
    for slug, items in refused.items():
        for item in dict.fromkeys(items):
            slugs.setdefault(item, []).append(slug)
    by_hint: dict[str, dict[PurePosixPath, list[Unresolved]]] = {}
    for item in slugs:
        by_hint.setdefault(item.hint, {}).setdefault(item.path, []).append(item)
    lines = []
    for hint, files in by_hint.items():
        for path, items in files.items():
            lines.append(f"  ! {path}")
            for item in items:
                gaps = ", ".join(filter(None, slugs[item]))
                text = f"{item.reason.value}: {item.detail}" + (f" ({gaps})" if gaps else "")
                lines.append(fitted(f"{item.line:>9}  ", text, whole=whole))
        lines += wrapped("    hint: ", hint) if hint else []
    return lines


def fitted(head: str, text: str, *, whole: bool) -> str:
    """Return one line: `text` after `head`, cut at WIDTH unless `whole` is asked for."""
    line = head + " ".join(text.split())
    return line if whole or len(line) <= WIDTH else f"{line[: WIDTH - 1].rstrip()}…"


def wrapped(head: str, text: str, width: int = WIDTH) -> list[str]:
    """Return `text` after `head` on as many lines as it takes; no word is broken."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
