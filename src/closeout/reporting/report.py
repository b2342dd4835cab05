"""A run's report as a value, as JSON, as Markdown and as a terminal table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from closeout.console.sanitize import storable
from closeout.engine.planner import Detection, findings
from closeout.errors import ExitCode
from closeout.model import Deviation, Finding, Gap, Means, ProofKind, Unresolved, Verdict, WorkOrder
from closeout.model.verdicts import Ruling
from closeout.runs import evidence_store
from closeout.runs.plan_record import Change, place_json

_WIDTH = 80
_SHOWN = 3
"""Commands that a row names; the command that settles the criterion runs all of them."""
_LONGEST = 400
"""Characters of one cell of a Markdown table."""
_ESCAPED = {char: f"\\{char}" for char in "\\|[]*~"} | {"&": "&amp;", "<": "&lt;", "`": "'"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a reader needs: the order, the tree, a ruling for every criterion."""

    work_order: WorkOrder
    gaps: tuple[Gap, ...]
    root: str
    tree_digest: str
    run_id: str
    rulings: tuple[Ruling, ...]
    before: Mapping[str, int]
    """Open places of each gap before the run, by slug."""
    after: Mapping[str, int]
    unnamed_before: Mapping[str, int]
    """How many of the open places before the run the order does not list, by slug."""
    unresolved: Mapping[str, tuple[Unresolved, ...]]
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The places that are still open."""
    unreadable: tuple[Unresolved, ...] = ()
    """The files that nobody could look into."""
    notices: tuple[str, ...] = ()
    """What there is to say of the waivers: lapsed, soon to end, not needed."""
    bugs: tuple[str, ...] = ()
    """The failures of ours that the rulings rest on, each with its log's name."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Name to version of what the run had."""

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that the worst ruling asks for; a failure of ours goes before."""
        if self.bugs:
            return ExitCode.OWN_BUG
        worst = max(ruling.verdict for ruling in self.rulings)
        if worst >= Verdict.DRIFTED:
            return ExitCode.GAPS_LEFT
        return ExitCode.UNPROVEN if worst is Verdict.UNPROVEN else ExitCode.SETTLED

    def gap_verdict(self, gap: Gap) -> Verdict:
        """Return the worst verdict of the gap's criteria."""
        mine = [item.verdict for item in self.rulings if item.criterion.id in gap.criteria]
        return max(mine)

    def unnamed_after(self, slug: str) -> int:
        """Return how many of a gap's places that are still open the order does not list."""
        return sum(item.gap == slug and not item.named for item in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many criteria have each verdict, by the verdict's name."""
        return {
            verdict.name: sum(ruling.verdict is verdict for ruling in self.rulings)
            for verdict in Verdict
        }


def open_places(detection: Detection) -> dict[str, int]:
    """Return the number of open places of each gap, by slug."""
    return {slug: len(findings(checks)) for slug, checks in detection.items()}


def unnamed_places(detection: Detection) -> dict[str, int]:
    """Return how many of each gap's open places the order does not list, by slug."""
    found = {slug: findings(checks) for slug, checks in detection.items()}
    return {slug: sum(not item.named for item in places) for slug, places in found.items()}


def to_json(report: Report) -> dict[str, object]:
    """Return the report as the object that `schemas/report.schema.json` describes."""
    document: dict[str, object] = {
        "work_order": report.work_order.id,
        "title": report.work_order.title,
        "order_sha256": report.work_order.source_sha256,
        "root": report.root,
        "tree_digest": report.tree_digest,
        "run": report.run_id,
        "tools": dict(report.tools),
        "exit_code": int(report.exit_code),
        "counts": report.counts,
        "gaps": [
            {
                "slug": gap.slug,
                "issue": gap.issue,
                "title": gap.title,
                "priority": gap.priority,
                "verdict": report.gap_verdict(gap).name,
                "criteria": list(gap.criteria),
                "open_before": report.before[gap.slug],
                "open_after": report.after[gap.slug],
                "unnamed_before": report.unnamed_before[gap.slug],
                "unnamed_after": report.unnamed_after(gap.slug),
                "unresolved": [place_json(item) for item in report.unresolved.get(gap.slug, ())],
                "deviations": [_deviation(item) for item in gap.deviations],
            }
            for gap in report.gaps
        ],
        "criteria": [_criterion(ruling) for ruling in report.rulings],
        "bugs": list(report.bugs),
        "notices": list(report.notices),
        "findings": [finding_json(item) for item in report.findings],
        "unreadable": [place_json(item) for item in report.unreadable],
        "changes": [
            {"path": str(item.path), "gap": item.gap, "origin": item.origin}
            for item in report.changes
        ],
    }
    return {name: storable(value) for name, value in document.items()}


def to_markdown(report: Report) -> str:
    """Return the report as Markdown that fits a pull request."""
    lines = [
        f"# {report.work_order.id}: {report.work_order.title}",
        "",
        f"Tree `{report.tree_digest[:16]}`, run `{report.run_id}`.",
        "",
        ", ".join(f"{count} {name}" for name, count in report.counts.items() if count) + ".",
        "",
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
    told = [f"bug of ours: {bug}" for bug in report.bugs]
    told += [f"notice: {notice}" for notice in report.notices]
    told += [f"not read: {item.path}: {item.detail}" for item in report.unreadable]
    return "\n".join([head, "-" * _WIDTH, *rows, "", f"criteria: {counts}", *told, *_left(left)])


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


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _markdown_row(ruling: Ruling) -> str:
    settling = _code(ruling.criterion.settled_by)
    commands = sorted({item.command for item in ruling.evidence if item.passed})
    ran = "<br>".join(_code(command) for command in commands[:_SHOWN])
    more = f"<br>and {len(commands) - _SHOWN} more" if len(commands) > _SHOWN else ""
    proven = f"{settling} ran:<br>{ran}{more}" if ran else ""
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


def _criterion(ruling: Ruling) -> dict[str, object]:
    return {
        "id": ruling.criterion.id,
        "text": ruling.criterion.text,
        "verdict": ruling.verdict.name,
        "because": ruling.because,
        "means": ruling.criterion.means.value,
        "settled_by": ruling.criterion.settled_by,
        "rests_on": list(ruling.criterion.rests_on),
        "evidence": [evidence_store.to_json(item) for item in ruling.evidence],
    }


def finding_json(item: Finding) -> dict[str, object]:
    """Return an open place as the JSON object that reports and results share."""
    return {
        "gap": item.gap,
        "rule": item.rule,
        "criterion": item.criterion,
        "path": str(item.path),
        "line": item.line,
        "message": item.message,
        "excerpt": item.excerpt[:400],
        "named": item.named,
    }


def _deviation(item: Deviation) -> dict[str, object]:
    return {
        "id": item.id,
        "claim": item.claim,
        "finding": item.finding,
        "decision": item.decision,
        "adr": item.adr,
    }
