"""Open places as lines for a terminal: a group a gap, a file once, a place once, its hint once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.console.layout import counted, fitted, wrapped
from closeout.engine import rules
from closeout.model import Finding, Gap, Unresolved
from closeout.runs.plan_record import Change


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
    origin = ", derived" if _is_derived(group) else ""
    return f"{group.gap.issue:>2}  {group.gap.title}: {told}{files}{origin}"


def _is_derived(group: Group) -> bool:
    """Return whether all is derived: it is then told once, and of no file."""
    return {item.origin for item in group.changes} == {"derived"}


def _files(group: Group, left: Sequence[Finding]) -> dict[PurePosixPath, str]:
    """Return every file that has something to say, with its sign."""
    written = {change.path for change in group.changes}
    signs = {path: "+" if path in group.added else "~" for path in written}
    return {path: signs.get(path, " ") for path in sorted({*written, *(at.path for at in left)})}


def _origin(group: Group, path: PurePosixPath, *, whole: bool) -> str:
    origins = {change.origin for change in group.changes if change.path == path}
    told = frozenset() if _is_derived(group) else frozenset(["derived"])
    shown = origins if whole else origins & told
    return f"  ({', '.join(sorted(shown))})" if shown else ""


def _places(findings: Iterable[Finding], *, whole: bool) -> list[str]:
    by_text: dict[tuple[int, str], list[str]] = {}
    for item in findings:
        by_text.setdefault((item.line, item.message), []).append(item.criterion)
    told = {at: " ".join(dict.fromkeys(criteria)) for at, criteria in by_text.items()}
    wide = max(map(len, told.values()), default=0)
    lines, last = [], 0
    in_turn = sorted(told.items(), key=lambda item: (item[0][0], item[1], item[0][1]))
    for (line, message), criteria in in_turn:
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
