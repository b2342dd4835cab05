"""A report for a terminal: the gaps, what is left and the command that settles it, one sum."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from closeout.console.layout import counted, wrapped
from closeout.engine import rules
from closeout.model import Gap, Verdict
from closeout.model.verdicts import Ruling
from closeout.reporting.places import left_alone
from closeout.reporting.report import Report

_TABLE = 80
"""Columns of the table of gaps; the lines below it take up to `layout.WIDTH`."""
_SCRIPT = re.compile(r"^[\w.-]+/[\w./-]+")
"""At a command's beginning, a script of the tree."""
_LONGEST = 300
"""Characters of a ground that are told where no more is asked for."""


def to_terminal(
    report: Report, asked: Sequence[Gap] = (), root: Path | None = None, *, whole: bool = False
) -> str:
    """Return the table of the gaps and what is left of them, without colour.

    `asked` are the gaps to speak of, all of them where it is empty; `root` is what commands have
    to be told, None where they find the tree by themselves. With `whole`, no ground is cut.
    """
    mine = report.chosen(asked)
    rulings = _rulings(report, mine)
    remarks = [f"bug of ours: {bug}" for bug in report.bugs]
    others = report.asks.keys() - {gap.slug for gap in mine}
    beside = {text for slug in others for text in report.asks[slug]}
    remarks += [f"notice: {notice}" for notice in report.notices if notice not in beside]
    told = [line for remark in remarks for line in wrapped("", remark)]
    unread = left_alone({"": report.unreadable}, whole=whole)
    return "\n".join(
        [
            *_table(report, mine),
            *_others(report, mine, root),
            *(["", *told] if told else []),
            *(["", "not read:", *unread] if unread else []),
            *_left_open(report, mine, rulings, root, whole=whole),
            *_unproven(rulings, root),
            *_not_applicable(rulings),
        ]
    )


def summary(report: Report, asked: Sequence[Gap] = ()) -> str:
    """Return the one line that every report ends with."""
    mine = report.chosen(asked)
    rulings = _rulings(report, mine)
    counts = [
        f"{count} {verdict.name}"
        for verdict in Verdict
        if (count := sum(item.verdict is verdict for item in rulings))
    ]
    before, after = (sum(side[gap.slug] for gap in mine) for side in (report.before, report.after))
    return (
        f"{counted(len(rulings), 'criterion', 'criteria')}: {', '.join(counts)}; "
        f"{counted(before, 'place')} open before, {after} now"
    )


def runnable(command: str, root: Path | None) -> str:
    """Return a command that is about `root`, as it is where it finds the tree by itself."""
    if root is None:
        return command
    command = _SCRIPT.sub(lambda found: shlex.quote(str(root / found[0])), command)
    if command.startswith("nox "):
        return f"{command} -- --root {shlex.quote(str(root))}"
    return f"{command} --root {shlex.quote(str(root))}" if "invoke " in command else command


def _rulings(report: Report, asked: Sequence[Gap]) -> list[Ruling]:
    """Return what is ruled of some gaps; without the criteria that rest on others."""
    numbers = {number for gap in asked for number in gap.criteria}
    whole = set(asked) == set(report.gaps)
    return [
        item
        for item in report.rulings
        if not item.criterion.rests_on and (whole or item.criterion.id in numbers)
    ]


def _table(report: Report, gaps: Iterable[Gap]) -> list[str]:
    return [
        f"{'':2}  {'gap':<46} {'before':>6} {'after':>6}  verdict",
        "-" * _TABLE,
        *(
            f"{gap.issue:>2}  {gap.title[:46]:<46} {report.before[gap.slug]:>6} "
            f"{report.after[gap.slug]:>6}  {report.gap_verdict(gap).name}"
            for gap in gaps
        ),
    ]


def _others(report: Report, asked: Sequence[Gap], root: Path | None) -> list[str]:
    """Return a line about the gaps that nobody asked for."""
    others = [gap for gap in report.gaps if gap not in asked]
    if not others:
        return []
    places = sum(report.after[gap.slug] for gap in others)
    detect = runnable("invoke detect.all", root)
    told = f"{counted(len(others), 'other gap')}, not asked for: "
    theirs = {number for gap in others for number in gap.criteria}
    unmet = sum(
        item.criterion.id in theirs and item.verdict > Verdict.UNPROVEN for item in report.rulings
    )
    beside = f", {counted(unmet, 'criterion', 'criteria')} not met" if unmet else ""
    if not places:
        return ["", f"{told}no place found open{beside}"]
    return ["", f"{told}{counted(places, 'place')} open{beside}", f"  {detect}"]


def _left_open(
    report: Report,
    asked: Sequence[Gap],
    rulings: Sequence[Ruling],
    root: Path | None,
    *,
    whole: bool,
) -> list[str]:
    """Return what is open, each with the command that is for it or the ground that it has."""
    fixable = _fixable(report, asked)
    grounds: dict[tuple[Verdict, str], list[str]] = {}
    lines: list[str] = []
    told: set[str] = set()
    found = {item.criterion for item in report.findings}
    for gap in fixable:
        numbers = [
            item.criterion.id
            for item in rulings
            if item.criterion.id in found.intersection(gap.criteria)
            and item.verdict is Verdict.OPEN
        ]
        if not numbers:
            continue
        told |= {*numbers}
        count = counted(report.after[gap.slug], "place")
        lines += [f"  {runnable(f'invoke fix.{gap.slug}', root)}"]
        lines += wrapped("      is for ", f"{', '.join(numbers)}: {count}")
    for item in rulings:
        if item.verdict > Verdict.UNPROVEN and item.criterion.id not in told:
            ground = _ground(report, item, whole=whole)
            grounds.setdefault((item.verdict, ground), []).append(item.criterion.id)
    for (verdict, ground), numbers in grounds.items():
        lines += wrapped("  ", f"{', '.join(numbers)} {verdict.name}: {ground}")
    return ["", "left open:", *lines] if lines else []


def _fixable(report: Report, asked: Sequence[Gap]) -> list[Gap]:
    """Return the gaps with open places that no fix has been put to yet."""
    tried = {slug for slug, items in report.unresolved.items() if items}
    tried |= {change.gap for change in report.changes}
    return [gap for gap in asked if report.after[gap.slug] and gap.slug not in tried]


def _ground(report: Report, ruling: Ruling, *, whole: bool) -> str:
    """Return why a criterion is open; its places are told elsewhere, and are counted here."""
    if whole:
        return ruling.because
    mine = [item for item in report.findings if item.criterion == ruling.criterion.id]
    if mine:
        return f"{counted(len(rules.spots(mine)), 'place')} left, to be mended by hand"
    ground = ruling.because
    return ground if len(ground) <= _LONGEST else f"{ground[: _LONGEST - 1].rstrip()}…"


def _unproven(rulings: Sequence[Ruling], root: Path | None) -> list[str]:
    by_command: dict[str, list[str]] = {}
    for item in rulings:
        if item.verdict is Verdict.UNPROVEN:
            by_command.setdefault(item.settled_by, []).append(item.criterion.id)
    lines = [
        line
        for command, numbers in by_command.items()
        for line in (
            f"  {runnable(command, root)}",
            *wrapped("      settles ", ", ".join(numbers)),
        )
    ]
    return ["", "left unproven, and what settles it:", *lines] if lines else []


def _not_applicable(rulings: Sequence[Ruling]) -> list[str]:
    """Return what does not apply to the tree, a reason at a time; nothing without one."""
    by_reason: dict[str, list[str]] = {}
    for item in rulings:
        if item.verdict is Verdict.NOT_APPLICABLE:
            by_reason.setdefault(item.because, []).append(item.criterion.id)
    lines = [
        line
        for reason, numbers in by_reason.items()
        for line in wrapped("  ", f"{reason}: {', '.join(numbers)}")
    ]
    return ["", "not applicable:", *lines] if lines else []
