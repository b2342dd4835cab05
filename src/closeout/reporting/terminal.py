"""A report as a terminal table, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from closeout.model import Verdict
from closeout.model.verdicts import Ruling
from closeout.reporting.report import Report

_WIDTH = 80


def to_terminal(report: Report) -> str:
    """Return the table of the gaps and what is left, 80 columns wide and without colour."""
    head = f"{'':2}  {'gap':<46} {'before':>6} {'after':>6}  verdict"
    rows = [
        f"{gap.issue:>2}  {gap.title[:46]:<46} {report.before[gap.slug]:>6} "
        f"{report.after[gap.slug]:>6}  {report.gap_verdict(gap).name}"
        for gap in report.gaps
    ]
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
    left = [ruling for ruling in report.rulings if ruling.verdict > Verdict.WAIVED]
    about_nothing = [
        ruling for ruling in report.rulings if ruling.verdict is Verdict.NOT_APPLICABLE
    ]
    told = [f"bug of ours: {bug}" for bug in report.bugs]
    told += [f"notice: {notice}" for notice in report.notices]
    told += [f"not read: {item.path}: {item.detail}" for item in report.unreadable]
    return "\n".join(
        [
            head,
            "-" * _WIDTH,
            *rows,
            "",
            f"criteria: {counts}",
            *told,
            *_left(left),
            *_beside(about_nothing),
        ]
    )


def _left(left: Sequence[Ruling]) -> list[str]:
    by_command: dict[str, list[str]] = {}
    lines = []
    for ruling in left:
        if ruling.criterion.rests_on:
            continue
        if ruling.verdict is Verdict.UNPROVEN:
            by_command.setdefault(ruling.criterion.settled_by, []).append(ruling.criterion.id)
        else:
            lines.append(f"  {ruling.criterion.id} {ruling.verdict.name}: {ruling.because}")
    unproven = [
        f"  {command}\n{_wrapped('      settles ', ', '.join(numbers))}"
        for command, numbers in by_command.items()
    ]
    return [
        *(["", "left open:"] if lines else []),
        *lines,
        *(["", "left unproven, and what settles it:"] if unproven else []),
        *unproven,
    ]


def _beside(rulings: Sequence[Ruling]) -> list[str]:
    """Return what does not apply to the tree, a reason at a time; nothing without one."""
    by_reason: dict[str, list[str]] = {}
    for ruling in rulings:
        if not ruling.criterion.rests_on:
            by_reason.setdefault(ruling.because, []).append(ruling.criterion.id)
    lines = [_wrapped(f"  {reason}: ", ", ".join(ids)) for reason, ids in by_reason.items()]
    return ["", "not applicable:", *lines] if lines else []


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
