"""Hold what a document claims, by ticked boxes, marks and named files, against a tree's rulings.

Every claim ends as held, false, not provable here, or not understood: none is dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from closeout.console.layout import counted, wrapped
from closeout.errors import CloseoutError
from closeout.fs import codec
from closeout.model import Tree, Verdict, WorkOrder
from closeout.model.verdicts import Evidence, Ruling
from closeout.reporting.documents import ClaimOutcome, ClaimRow
from closeout.runs.evidence_store import to_json as evidence_json
from closeout.workorders.reader import line_digest

_TICKED = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[[xX]\]\s+(?P<text>\S.*)$")
_UNTICKED = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[ \]")
_FENCE = re.compile(r"^\s*(```|~~~)")
_NUMBER = re.compile(r"^\W*(?P<id>(?:\d{1,2}|M|D)\.\d{1,2})\b")
_CREATED = re.compile(r"\b(?:created?|added?|adds|wrote|written|new)\b", re.IGNORECASE)
_PATH = re.compile(r"`(?P<path>(?:[\w.@-]+/)+[\w.@-]+\.\w{1,10})`")
_TRAILERS = (
    re.compile(r"\*\*|__"),
    re.compile(r"[^\w\s)>%`]+\s*$"),
    re.compile(
        r"\s+[-\u2013\u2014:(]\s*(?:done|completed?|verified|fixed|100\s*%)\W*$", re.IGNORECASE
    ),
)
"""What people add to a box when they tick it: bold face, check marks, the word done."""
_STRUCTURED = re.compile(r"^\s*(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|\|)")
"""A heading, an item of a list or a row of a table: elsewhere people tell rather than claim."""
_MARKED = re.compile(
    r"[\u2705\u2714\u2611]"
    r"|(?:^|[|:(\u2013\u2014-])[\s*_]*"
    r"(?:100\s*%|(?:completed?|done|fixed|closed|resolved|implemented|verified)\b)[\s*_!.)|]*(?:$|\|)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"[\u274c\u26a0]|\b(?:not|no|todo|pending|partial(?:ly)?|in progress|open)\b", re.IGNORECASE
)
_ISSUE = re.compile(
    r"(?:\b(?:issue|gap|task|item)\s*#?\s*|^\W*(?:#{1,6}\s+|\|\s*#?))(?P<issue>\d{1,2})\b(?!\.\d)",
    re.IGNORECASE,
)
_SHOWN = 3
_OUTCOMES = {
    Verdict.CLOSED: ClaimOutcome.HELD,
    Verdict.UNPROVEN: ClaimOutcome.UNPROVABLE,
    Verdict.WAIVED: ClaimOutcome.UNPROVABLE,
    Verdict.NOT_APPLICABLE: ClaimOutcome.UNPROVABLE,
}
"""What is open, drifted or cannot be judged for a fault of the tree's own refutes a claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line that claims something.

    `criteria` are those of the order that it is about, none where it is not understood; a line
    about a whole issue names all of the issue's. `path` is a file that is said to be there.
    """

    line: int
    text: str
    criteria: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim, how it ends, and how that is known."""

    line: int
    text: str
    criterion: str
    """The criterion, or the worst of an issue's; empty for a file and the not understood."""
    outcome: ClaimOutcome
    what: str
    """The criterion in our words, the file that is named, or the line's own text."""
    verdict: str
    because: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def row(self) -> ClaimRow:
        """Return it as a report shows it."""
        return ClaimRow(
            line=self.line,
            text=self.text,
            criterion=self.criterion,
            outcome=self.outcome,
            because=self.because,
        )


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


def read(text: str, order: WorkOrder) -> tuple[Claim, ...]:
    """Return what a Markdown text claims, by line, each claim with the criteria that it is about.

    A claim is a ticked box, or a heading, an item or a row that is marked as done; and a file that
    a line says was made. A box is known by the digest of its line, without what people add to it,
    or by the criterion's id in front of it; other lines by an id or an issue's number. Raises
    CloseoutError("claims-none") where nothing of the order is claimed.
    """
    by_digest = {item.source_digest: item.id for item in order.criteria}
    known: dict[str, tuple[str, ...]] = {item.id: (item.id,) for item in order.criteria}
    issues = {
        number: tuple(item for item in known if item.startswith(f"{number}."))
        for number in order.issues
    }
    found = []
    for number, line in _prose(text):
        box = _TICKED.match(line)
        claimed = box["text"] if box else _marked(line)
        if claimed:
            about = known.get(_criterion(claimed, by_digest, set(known)), ())
            about = about or (() if box else issues.get(_issue(line), ()))
            found.append(Claim(line=number, text=claimed, criteria=about))
        found += [Claim(line=number, text=line.strip(), path=path) for path in _made(line)]
    if not any(item.criteria for item in found):
        raise CloseoutError(
            "claims-none",
            f"the file ticks no box of {order.id} ({_ticked(text)} ticked in all).",
            hint="name the order's file or a completion report with its boxes: - [x] ...",
        )
    return tuple(found)


def judge(
    document: str, text: str, order: WorkOrder, rulings: Sequence[Ruling], tree: Tree
) -> Reading:
    """Return what `text` claims, each claim held against `rulings` and `tree`."""
    ruled = {item.criterion.id: item for item in rulings}
    return Reading(
        document=document,
        ticked=_ticked(text),
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


def _ticked(text: str) -> int:
    return sum(_TICKED.match(line) is not None for _, line in _prose(text))


def _marked(line: str) -> str:
    """Return what a line that is marked as done says, nothing for any other line."""
    is_claim = _STRUCTURED.match(line) and _MARKED.search(line) and not _DENIED.search(line)
    return line.strip().strip("#|*-+ ") if is_claim and not _UNTICKED.match(line) else ""


def _issue(line: str) -> int:
    named = _ISSUE.search(line)
    return int(named["issue"]) if named else 0


def _made(line: str) -> Iterator[str]:
    """Yield the files that a line says were created."""
    if not _UNTICKED.match(line) and (_TICKED.match(line) or _CREATED.search(line)):
        for match in _PATH.finditer(line):
            yield match["path"]


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


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines outside code fences: an example claims nothing."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def _criterion(text: str, by_digest: Mapping[str, str], known: set[str]) -> str:
    for wording in _wordings(text.strip()):
        found = by_digest.get(line_digest(f"- [ ] {wording}"))
        if found:
            return found
    numbered = _NUMBER.match(text)
    return numbered["id"] if numbered and numbered["id"] in known else ""


def _wordings(text: str) -> Iterator[str]:
    yield text
    for trailer in _TRAILERS:
        text = trailer.sub("", text).strip()
        yield text
