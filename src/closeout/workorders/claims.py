"""Hold what a document claims, by ticked boxes, marks and named files, against a tree's rulings.

Every claim ends as held, false, not provable here, or not understood: none is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.console.layout import counted, wrapped
from closeout.fs import codec
from closeout.model import Tree, Verdict, WorkOrder
from closeout.model.verdicts import Evidence, Ruling
from closeout.reporting.documents import ClaimOutcome, ClaimRow
from closeout.runs.evidence_store import to_json as evidence_json
from closeout.workorders.claim_reader import Claim, read, ticked

_SHOWN = 3
_OUTCOMES = {
    Verdict.CLOSED: ClaimOutcome.HELD,
    Verdict.UNPROVEN: ClaimOutcome.UNPROVABLE,
    Verdict.WAIVED: ClaimOutcome.UNPROVABLE,
    Verdict.NOT_APPLICABLE: ClaimOutcome.UNPROVABLE,
}
"""What is open, drifted or cannot be judged for a fault of the tree's own refutes a claim."""


class JudgedClaim(ClaimRow, frozen=True, kw_only=True):
    """A claim, how it ends, and how that is known.

    `criterion` is the worst of an issue's; empty for a file and the not understood.
    """

    what: str
    """The criterion in our words, the file that is named, or the line's own text."""
    verdict: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def row(self) -> ClaimRow:
        """Return it as a report shows it."""
        return ClaimRow(**{name: getattr(self, name) for name in ClaimRow.__struct_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a document claims, each claim with its end."""

    document: str
    ticked: int
    claims: tuple[JudgedClaim, ...]

    def ended(self, *outcomes: ClaimOutcome) -> tuple[JudgedClaim, ...]:
        """Return the claims that end as one of `outcomes`, in the document's sequence."""
        return tuple(item for item in self.claims if item.outcome in outcomes)

    @property
    def false(self) -> tuple[JudgedClaim, ...]:
        """Return the claims that the tree does not bear out: refuted, or not shown by anything."""
        return self.ended(ClaimOutcome.FALSE, ClaimOutcome.UNPROVABLE)

    @property
    def unknown(self) -> tuple[JudgedClaim, ...]:
        """Return the claims that belong to no criterion of the order."""
        return self.ended(ClaimOutcome.UNKNOWN)


def judge(
    document: str, text: str, order: WorkOrder, rulings: Sequence[Ruling], tree: Tree
) -> Reading:
    """Return what `text` claims, each claim held against `rulings` and `tree`."""
    ruled = {item.criterion.id: item for item in rulings}
    return Reading(
        document=document,
        ticked=ticked(text),
        claims=tuple(_judged(item, ruled, tree) for item in read(text, order)),
    )


def to_json(reading: Reading) -> dict[str, object]:
    """Return the reading as a JSON object."""
    return {
        "document": reading.document,
        "ticked": reading.ticked,
        "counts": {item.value: len(reading.ended(item)) for item in ClaimOutcome},
        "claims": [codec.plain(item.row) for item in reading.claims],
        "unknown": [{"line": item.line, "text": item.text} for item in reading.unknown],
        "false_claims": [
            {
                "line": item.line,
                "criterion": item.criterion,
                "what": item.what,
                "verdict": item.verdict,
                "because": item.because,
                "evidence": evidence_json(item.evidence),
            }
            for item in reading.false
        ],
    }


def told(reading: Reading) -> str:
    """Return how the claims end, then those that are not held, as lines for a terminal."""
    counts = Counter(item.outcome for item in reading.claims)
    ends = ", ".join(f"{counts[item]} {item.value}" for item in ClaimOutcome)
    head = f"claims of {reading.document}: {counted(reading.ticked, 'box', 'boxes')} ticked"
    lines = wrapped("", f"{head}; {counted(len(reading.claims), 'claim')}: {ends}")
    refuted = reading.ended(ClaimOutcome.FALSE)
    for item in (*refuted, *reading.ended(ClaimOutcome.UNPROVABLE)):
        lines += [
            *wrapped(
                f"  line {item.line}: ",
                f"{item.criterion or 'file'} {item.verdict}: {item.what}",
            ),
            *wrapped("      ", item.because),
            *(line for one in item.evidence[:_SHOWN] for line in wrapped("      ", _shown(one))),
        ]
        if len(item.evidence) > _SHOWN:
            lines.append(f"      and {len(item.evidence) - _SHOWN} more, in claims.json")
    for item in reading.unknown:
        lines += wrapped(f"  line {item.line}: ", f"not understood: {item.text}")
    return "\n".join(lines)


def _shown(item: Evidence) -> str:
    return f"{item.probe}: expected {item.expected}; saw {item.observed} [{item.command}]"


def _judged(claim: Claim, ruled: Mapping[str, Ruling], tree: Tree) -> JudgedClaim:
    made = partial(JudgedClaim, line=claim.line, text=claim.text)
    if claim.path:
        return _file(claim.path, tree, made)
    if not claim.criteria:
        return made(
            criterion="",
            outcome=ClaimOutcome.UNKNOWN,
            what=claim.text,
            verdict="",
            because="no box, criterion or issue of the order can be told from this line",
        )
    ruling = max((ruled[number] for number in claim.criteria), key=lambda item: item.verdict)
    grounds = [ruled[number] for number in ruling.criterion.rests_on] or [ruling]
    outcome = _OUTCOMES.get(ruling.verdict, ClaimOutcome.FALSE)
    holds = outcome is ClaimOutcome.HELD
    seen = (one for each in grounds for one in each.evidence if holds or one.passed is not True)
    return made(
        criterion=ruling.criterion.id,
        outcome=outcome,
        what=ruling.criterion.text,
        verdict=ruling.verdict.name,
        because=ruling.because,
        evidence=tuple(sorted(seen, key=lambda item: item.passed is None)),
    )


def _file(name: str, tree: Tree, made: partial[JudgedClaim]) -> JudgedClaim:
    named = PurePosixPath(name).parts
    is_there = any(path.parts[-len(named) :] == named for path in tree.paths())
    because = "the file is named as made, and the tree has "
    return made(
        criterion="",
        outcome=ClaimOutcome.HELD if is_there else ClaimOutcome.FALSE,
        what=name,
        verdict=(Verdict.CLOSED if is_there else Verdict.OPEN).name,
        because=because + ("one of that name" if is_there else "none of that name"),
    )
