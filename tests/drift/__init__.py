"""The drift matrix: every gap in code, on services that drifted from any prepared patch.

`python -m closeout drift` plans the fix of each case, then asks the service before and after it:
what was fixed must behave, what was left alone must have behaved, what was refused must still be
open. The table it prints is kept in `docs/drift.md`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout.errors import ExitCode
from tests.drift import staging
from tests.drift.cases import load
from tests.drift.staging import Staged

GAPS = ("cors", "headers", "sql", "rate-limit", "factory-secret")
"""The gaps that are mended in code, each with its cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the judges run services with; None where it is not installed."""

    python: Path | None = None
    """The interpreter that has the FastAPI services' packages."""
    dbt: Path | None = None
    cache: Path | None = None
    """Where installed Node packages are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What behaviour said of one case; `passed` None means that nothing could be asked."""

    passed: bool | None
    told: str


_NOT_ASKED = Judgement(passed=None, told="nobody asked it")

Judge = Callable[[Sequence[Staged], Path, Tools], Mapping[str, Judgement]]
"""Ask all staged cases of one gap, in a scratch folder, and answer by the case's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    staged: Staged
    judgement: Judgement

    @property
    def verdict(self) -> bool | None:
        """Return False for any fault, None where behaviour was not asked."""
        return False if self.staged.faults else self.judgement.passed


def run(slugs: Iterable[str], tools: Tools, judges: Mapping[str, Judge]) -> tuple[Row, ...]:
    """Return one row a case of the gaps `slugs`."""
    rows: list[Row] = []
    for slug in slugs:
        staged = [staging.stage(case) for case in load(slug)]
        with tempfile.TemporaryDirectory(prefix=f"closeout-drift-{slug}-") as scratch:
            Path(scratch).chmod(0o755)
            answers = judges[slug](staged, Path(scratch), tools) if slug in judges else {}
        rows += [
            Row(staged=item, judgement=answers.get(item.case.name, _NOT_ASKED)) for item in staged
        ]
    return tuple(rows)


def code(rows: Sequence[Row]) -> ExitCode:
    """Return how the matrix stands: any fault is a gap, any case not asked is unproven."""
    verdicts = [row.verdict for row in rows]
    if False in verdicts:
        return ExitCode.GAPS_LEFT
    return ExitCode.UNPROVEN if None in verdicts or not verdicts else ExitCode.SETTLED


def table(rows: Sequence[Row]) -> str:
    """Return the rows of one gap as a Markdown table."""
    lines = [
        "| variant | outcome | origin of the patch | how judged |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        item = row.staged
        outcome = item.outcome.value
        if item.unresolved:
            outcome += f" ({', '.join(sorted({place.reason.value for place in item.unresolved}))})"
            outcome += ", the rest mended" if item.edits else ""
        if row.verdict is not True:
            outcome = f"**{'FAILED' if row.verdict is False else 'NOT JUDGED'}**: {outcome}"
        told = "; ".join([*item.faults, row.judgement.told]).replace("|", "\\|")
        lines.append(f"| {item.case.name} | {outcome} | {item.origin} | {told} |")
    return "\n".join(lines)
