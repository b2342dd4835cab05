"""A report as Markdown that fits a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from closeout.model import Means, ProofKind, Unresolved, Verdict
from closeout.model.verdicts import Ruling
from closeout.reporting.documents import ClaimOutcome, ClaimRow
from closeout.reporting.report import Report

_SHOWN = 3
"""Commands that a row names; the command that settles the criterion runs all of them."""


_LONGEST = 400
"""Characters of one cell of a Markdown table."""


_ESCAPED = {char: f"\\{char}" for char in "\\|[]*~"} | {"&": "&amp;", "<": "&lt;", "`": "'"}


def to_markdown(report: Report) -> str:
    """Return the report as Markdown that fits a pull request."""
    lines = [
        f"# {report.work_order.id}: {report.work_order.title}",
        "",
        f"Tree `{report.tree_digest[:16]}`, run `{report.run_id}`.",
        "",
        ", ".join(f"{count} {name}" for name, count in report.counts.items() if count) + ".",
        "",
        *_claimed(report.claims),
        "| gap | before | after | verdict |",
        "| --- | ---: | ---: | --- |",
        *(
            f"| {gap.issue}. {cell(gap.title)} "
            f"| {_split(report.before[gap.slug], report.unnamed_before[gap.slug])} "
            f"| {_split(report.after[gap.slug], report.unnamed_after(gap.slug))} "
            f"| {report.gap_verdict(gap).name} |"
            for gap in report.gaps
        ),
        "",
        "| criterion | verdict | because | proven by |",
        "| --- | --- | --- | --- |",
        *(_markdown_row(ruling) for ruling in report.rulings),
        "",
        *_bugs(report.bugs),
        *_red_probes(report.rulings),
        *(line for gap in report.gaps for line in gap.section(report.rulings)),
        *([*(f"- {cell(notice)}" for notice in report.notices), ""] if report.notices else []),
        *_unread(report.unreadable),
        "## Departures from the order",
        "",
        *(
            f"- **{item.id}** {cell(item.claim)} Measured: {cell(item.finding)} "
            f"So: {cell(item.decision)}"
            for gap in report.gaps
            for item in gap.deviations
        ),
        "",
    ]
    return "\n".join(lines)


def _claimed(claims: Sequence[ClaimRow]) -> list[str]:
    """Return how a document's claims end, each that is not held in a row; nothing without any."""
    if not claims:
        return []
    counts = Counter(item.outcome for item in claims)
    ends = ", ".join(f"{counts[each]} {each.value}" for each in ClaimOutcome if counts[each])
    return [
        f"{len(claims)} claims: {ends}.",
        "",
        "| claim | criterion | ends as | because |",
        "| --- | --- | --- | --- |",
        *(
            f"| line {item.line}: {cell(item.text)} | {item.criterion} | {item.outcome.value} "
            f"| {cell(item.because)} |"
            for item in claims
            if item.outcome is not ClaimOutcome.HELD
        ),
        "",
    ]


def _split(places: int, unnamed: int) -> str:
    """Return a count of places, told apart by whether the order names them."""
    return f"{places - unnamed} named, {unnamed} not" if places else "0"


def _unread(places: Sequence[Unresolved]) -> list[str]:
    """Return a section that names every file nobody could look into; nothing without one."""
    told = [f"- {cell(str(item.path))}: {cell(item.detail)}" for item in places]
    return ["## Not read", "", *told, ""] if places else []


def _bugs(bugs: Sequence[str]) -> list[str]:
    """Return a section that names every failure of ours; nothing without one."""
    return ["## Bugs of ours", "", *(f"- {cell(bug)}" for bug in bugs), ""] if bugs else []


def _red_probes(rulings: Sequence[Ruling]) -> list[str]:
    """Return a section that names every failing probe, regressions first; nothing without one."""
    red = {
        (item.probe, item.criterion): item
        for ruling in rulings
        if not ruling.criterion.rests_on
        for item in ruling.evidence
        if item.passed is False and item.means is not Means.STATIC
    }
    if not red:
        return []
    order = sorted(red.values(), key=lambda item: item.kind is not ProofKind.REGRESSION)
    return [
        "## Red probes",
        "",
        "| probe | criterion | kind | expected | saw |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {cell(item.probe)} | {item.criterion} | {item.kind.value} "
            f"| {cell(item.expected)} | {cell(item.observed)} |"
            for item in order
        ),
        "",
    ]


def _markdown_row(ruling: Ruling) -> str:
    settling = _code(ruling.settled_by)
    commands = sorted({item.command for item in ruling.evidence if item.passed})
    ran = "<br>".join(_code(command) for command in commands[:_SHOWN])
    more = f"<br>and {len(commands) - _SHOWN} more" if len(commands) > _SHOWN else ""
    is_proven = ruling.verdict is Verdict.CLOSED
    proven = f"{settling} ran:<br>{ran}{more}" if ran and is_proven else ""
    if ruling.verdict is Verdict.UNPROVEN:
        proven = f"settle it by {settling}"
    return (
        f"| {ruling.criterion.id} {cell(ruling.criterion.text)} | {ruling.verdict.name} "
        f"| {cell(ruling.because)} | {proven} |"
    )


def cell(text: str) -> str:
    """Return text that stays text in a Markdown table: no pipes, links, HTML or hidden signs."""
    return "".join(_ESCAPED.get(char, char) for char in _plain(text)[:_LONGEST])


def _code(text: str) -> str:
    """Return text as code in a Markdown table, where only a pipe needs an escape."""
    return f"`{_plain(text).replace('`', chr(39))[:_LONGEST].replace('|', chr(92) + '|')}`"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
