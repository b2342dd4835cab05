"""Hold what a document claims, by ticked boxes and named files, against the rulings on a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from closeout.errors import CloseoutError
from closeout.fs import codec
from closeout.model import Tree, Verdict, WorkOrder
from closeout.model.verdicts import Evidence, Ruling
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
_SHOWN = 3
_UNSHOWN = {Verdict.UNPROVEN.name, Verdict.WAIVED.name, Verdict.NOT_APPLICABLE.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One ticked box; `criterion` is empty where it is none of the order's."""

    line: int
    text: str
    criterion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseClaim:
    """A claim that the tree does not bear out, and how that is known."""

    line: int
    criterion: str
    what: str
    """The criterion in our words, or the file that is named."""
    verdict: str
    because: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a document claims, and which of it is false."""

    document: str
    claims: tuple[Claim, ...]
    false: tuple[FalseClaim, ...]

    @property
    def unknown(self) -> tuple[Claim, ...]:
        """Return the ticked boxes that belong to no criterion of the order."""
        return tuple(item for item in self.claims if not item.criterion)


def read(text: str, order: WorkOrder) -> tuple[Claim, ...]:
    """Return the ticked boxes of a Markdown text, each with the criterion it ticks.

    A box is known by the digest of its line, without what people add to it, or by the criterion's
    id in front of it. Raises CloseoutError("claims-none") where no box of the order is ticked.
    """
    by_digest = {item.source_digest: item.id for item in order.criteria}
    known = {item.id for item in order.criteria}
    found = tuple(
        Claim(
            line=number, text=match["text"], criterion=_criterion(match["text"], by_digest, known)
        )
        for number, line in _prose(text)
        if (match := _TICKED.match(line))
    )
    if not any(item.criterion for item in found):
        raise CloseoutError(
            "claims-none",
            f"the file ticks no box of {order.id} ({len(found)} ticked in all).",
            hint="name the order's file or a completion report with its boxes: - [x] ...",
        )
    return found


def judge(
    document: str, text: str, order: WorkOrder, rulings: Sequence[Ruling], tree: Tree
) -> Reading:
    """Return what `text` claims and which of it `rulings` and `tree` do not bear out."""
    claims = read(text, order)
    ruled = {item.criterion.id: item for item in rulings}
    boxes = [
        _refuted(item, ruled[item.criterion], ruled)
        for item in claims
        if item.criterion and ruled[item.criterion].verdict is not Verdict.CLOSED
    ]
    return Reading(document=document, claims=claims, false=(*boxes, *_absent_files(text, tree)))


def to_json(reading: Reading) -> dict[str, object]:
    """Return the reading as a JSON object."""
    return {
        "document": reading.document,
        "ticked": len(reading.claims),
        "unknown": [{"line": item.line, "text": item.text} for item in reading.unknown],
        "false_claims": [
            codec.plain(replace(item, evidence=())) | {"evidence": evidence_json(item.evidence)}
            for item in reading.false
        ],
    }


def told(reading: Reading) -> str:
    """Return the false claims with their evidence as lines for a terminal."""
    refuted = [item for item in reading.false if item.verdict not in _UNSHOWN]
    unshown = [item for item in reading.false if item.verdict in _UNSHOWN]
    lines = [
        (
            f"claims of {reading.document}: {len(reading.claims)} boxes ticked; "
            f"{len(refuted)} claims refuted, {len(unshown)} not shown"
        )
    ]
    for item in (*refuted, *unshown):
        lines += [
            f"  line {item.line}: {item.criterion or 'file'} {item.verdict}: {item.what}",
            f"      {item.because}",
            *(f"      {_shown(one)}" for one in item.evidence[:_SHOWN]),
        ]
        if len(item.evidence) > _SHOWN:
            lines.append(f"      and {len(item.evidence) - _SHOWN} more, in claims.json")
    lines += [
        f"  line {item.line}: not judged, no box of the order: {item.text}"
        for item in reading.unknown
    ]
    return "\n".join(lines)


def _shown(item: Evidence) -> str:
    return f"{item.probe}: expected {item.expected}; saw {item.observed} [{item.command}]"


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


def _refuted(claim: Claim, ruling: Ruling, ruled: Mapping[str, Ruling]) -> FalseClaim:
    grounds = [ruled[number] for number in ruling.criterion.rests_on] or [ruling]
    seen = tuple(one for ground in grounds for one in ground.evidence if one.passed is not True)
    return FalseClaim(
        line=claim.line,
        criterion=claim.criterion,
        what=ruling.criterion.text,
        verdict=ruling.verdict.name,
        because=ruling.because,
        evidence=tuple(sorted(seen, key=lambda item: item.passed is None)),
    )


def _absent_files(text: str, tree: Tree) -> Iterator[FalseClaim]:
    """Yield the files that a line says were created and that the tree does not have."""
    paths = tree.paths()
    for number, line in _prose(text):
        if _UNTICKED.match(line) or not (_TICKED.match(line) or _CREATED.search(line)):
            continue
        for match in _PATH.finditer(line):
            named = PurePosixPath(match["path"]).parts
            if not any(path.parts[-len(named) :] == named for path in paths):
                yield FalseClaim(
                    line=number,
                    criterion="",
                    what=match["path"],
                    verdict=Verdict.OPEN.name,
                    because="the file is named as made, and the tree has none of that name",
                )
