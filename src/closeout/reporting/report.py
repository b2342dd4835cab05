"""A run's report as a value, as JSON, as Markdown and as a terminal table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from closeout.engine import rules
from closeout.errors import ExitCode
from closeout.fs import codec
from closeout.model import Finding, Gap, Unresolved, Verdict, WorkOrder
from closeout.model.verdicts import Ruling
from closeout.reporting.documents import ClaimRow, CriterionRow, GapRow, ReportDocument
from closeout.runs.evidence_store import EvidenceRow
from closeout.runs.plan_record import Change


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
    asks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Those of the notices that a gap asks to be told, by its slug."""
    bugs: tuple[str, ...] = ()
    """The failures of ours that the rulings rest on, each with its log's name."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Name to version of what the run had."""
    made: Mapping[str, str] = field(default_factory=dict)
    """When it was made, by whom, from which commit: see `runs.provenance`."""
    claims: tuple[ClaimRow, ...] = ()
    """What a document claims of the tree, where an audit was given one."""

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that the worst ruling asks for; a failure of ours goes before."""
        return self._code(self.rulings)

    def exit_code_of(self, gaps: Sequence[Gap]) -> ExitCode:
        """Return the exit code for some gaps alone, that of the whole order for all of them."""
        mine = self.chosen(gaps)
        if len(mine) == len(self.gaps):
            return self.exit_code
        asked = {number for gap in mine for number in gap.criteria}
        return self._code([item for item in self.rulings if item.criterion.id in asked])

    def chosen(self, asked: Sequence[Gap]) -> tuple[Gap, ...]:
        """Return its own gaps that were asked for, or all: a team's have the order's checkboxes."""
        slugs = {gap.slug for gap in asked or self.gaps}
        return tuple(gap for gap in self.gaps if gap.slug in slugs)

    def _code(self, rulings: Sequence[Ruling]) -> ExitCode:
        if self.bugs:
            return ExitCode.OWN_BUG
        verdicts = (ruling.verdict for ruling in rulings)
        worst = max(verdicts, default=Verdict.NOT_APPLICABLE)
        if worst >= Verdict.DRIFTED:
            return ExitCode.GAPS_LEFT
        return ExitCode.UNPROVEN if worst is Verdict.UNPROVEN else ExitCode.SETTLED

    def gap_verdict(self, gap: Gap) -> Verdict:
        """Return the worst verdict of the gap's criteria."""
        mine = [item.verdict for item in self.rulings if item.criterion.id in gap.criteria]
        return max(mine)

    def unnamed_after(self, slug: str) -> int:
        """Return how many of a gap's places that are still open the order does not list."""
        return rules.unnamed([item for item in self.findings if item.gap == slug])

    @property
    def counts(self) -> dict[str, int]:
        """Return how many criteria have each verdict, by its name; roll-ups are told apart."""
        own = [ruling.verdict for ruling in self.rulings if not ruling.criterion.rests_on]
        return {verdict.name: own.count(verdict) for verdict in Verdict}


def to_json(report: Report) -> dict[str, object]:
    """Return the report as the object that `schemas/report.schema.json` describes."""
    document = ReportDocument(
        work_order=report.work_order.id,
        title=report.work_order.title,
        order_sha256=report.work_order.source_sha256,
        root=report.root,
        tree_digest=report.tree_digest,
        run=report.run_id,
        tools=report.tools,
        made=report.made,
        exit_code=report.exit_code,
        counts=report.counts,
        gaps=tuple(_gap(report, gap) for gap in report.gaps),
        criteria=tuple(_criterion(ruling) for ruling in report.rulings),
        bugs=report.bugs,
        notices=report.notices,
        findings=tuple(shortened(item) for item in report.findings),
        unreadable=report.unreadable,
        changes=report.changes,
        claims=report.claims,
    )
    made: dict[str, object] = codec.plain(document)
    return made


def _gap(report: Report, gap: Gap) -> GapRow:
    return GapRow(
        slug=gap.slug,
        issue=gap.issue,
        title=gap.title,
        priority=gap.priority,
        verdict=report.gap_verdict(gap).name,
        criteria=gap.criteria,
        open_before=report.before[gap.slug],
        open_after=report.after[gap.slug],
        unnamed_before=report.unnamed_before[gap.slug],
        unnamed_after=report.unnamed_after(gap.slug),
        unresolved=tuple(report.unresolved.get(gap.slug, ())),
        deviations=gap.deviations,
    )


def _criterion(ruling: Ruling) -> CriterionRow:
    return CriterionRow(
        id=ruling.criterion.id,
        text=ruling.criterion.text,
        verdict=ruling.verdict.name,
        because=ruling.because,
        means=ruling.criterion.means,
        settled_by=ruling.settled_by,
        rests_on=ruling.criterion.rests_on,
        evidence=tuple(EvidenceRow.of(item) for item in ruling.evidence),
    )


def shortened(item: Finding) -> Finding:
    """Return an open place as reports and results show it."""
    return replace(item, excerpt=item.excerpt[:400])
