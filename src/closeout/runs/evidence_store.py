"""Evidence files: one a session, written whole, bound to the tree they were made on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from closeout.errors import CloseoutError
from closeout.fs import codec, writer
from closeout.model import Digest, Means, Measure, Observation, ProofKind, StandIns, Text
from closeout.model.probes import NO_PROOF
from closeout.model.verdicts import Evidence
from closeout.runs import store

_UNASKED = "; before the fix it did not run: "


class EvidenceRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of evidence as files, reports and results show it."""

    probe: str
    criterion: str
    kind: ProofKind
    passed: bool | None
    before: bool | None
    expected: str
    observed: Text
    command: Text
    tree_digest: Digest
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    seconds: Annotated[float, msgspec.Meta(ge=0)]
    means: Means
    measures: tuple[Measure, ...]
    bug: str = ""
    stand_ins: tuple[StandIns, ...] = ()

    @classmethod
    def of(cls, item: Evidence) -> EvidenceRow:
        """Return the row of one piece of evidence."""
        told = {name: getattr(item, name) for name in cls.__struct_fields__}
        return cls(**told | {"seconds": round(item.seconds, 3)})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """What one session saw."""

    session: str
    evidence: tuple[Evidence, ...]


def write(folder: Path, session: str, items: Sequence[Evidence]) -> Path:
    """Write one session's evidence as `<session>.json` into `folder`; returns the file."""
    place = folder / f"{session}.json"
    document = {"session": session, "evidence": to_json(items)}
    writer.durable_write(place, json.dumps(document, indent=1, ensure_ascii=False).encode())
    return place


def to_json(items: Iterable[Evidence]) -> list[object]:
    """Return evidence as the JSON objects that reports and files share."""
    made: list[object] = codec.plain([EvidenceRow.of(item) for item in items])
    return made


def read(place: Path) -> tuple[Evidence, ...]:
    """Return the evidence of one file; raises CloseoutError("evidence-unusable")."""
    try:
        return codec.decode(EvidenceFile, place.read_bytes()).evidence
    except (OSError, ValueError) as error:
        raise CloseoutError(
            "evidence-unusable",
            f"{place.name} is no evidence file: {error}",
            hint="run the session that made it again.",
        ) from error


def gather(reports: Path, root: Path) -> tuple[Evidence, ...]:
    """Return the newest evidence of every probe about `root`, over its runs.

    Evidence of another tree digest is kept only where there is none for a newer one; judging
    tells fresh from stale. A failure of ours is forgotten once its session ran again.
    """
    newest: dict[tuple[str, str], Evidence] = {}
    sessions: set[str] = set()
    for run in store.of_root(reports, root):
        places = store.kept(run.evidence, "*.json")
        for place in places:
            for item in read(place):
                key = (item.probe, item.criterion)
                outlived = bool(item.bug) and place.name in sessions
                if not outlived and (key not in newest or newest[key].at < item.at):
                    newest[key] = item
        sessions |= {place.name for place in places}
    return tuple(newest[key] for key in sorted(newest))


def about(reports: Path, root: Path, tree_digest: str) -> tuple[Evidence, ...]:
    """Return what `gather` does, of the tree of that digest alone."""
    return tuple(item for item in gather(reports, root) if item.tree_digest == tree_digest)


def collect(reports: Path, run: store.Run, tree_digest: str) -> None:
    """Copy into `run` the newest file of every session that is about the tree as it is.

    A run's folder then holds the single proofs of its report, whichever run made them.
    """
    for other in store.of_root(reports, run.root):
        for place in store.kept(other.evidence, "*.json"):
            target = run.evidence / place.name
            if not target.exists() and any(item.tree_digest == tree_digest for item in read(place)):
                writer.durable_write(target, place.read_bytes())


def kinds(items: Iterable[Evidence]) -> dict[str, int]:
    """Return how many items each kind of proof has, by the kind's name."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.kind.value] = counts.get(item.kind.value, 0) + 1
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason why probes did not run, and the probes that it cost."""

    reason: str
    probes: tuple[str, ...]

    def __str__(self) -> str:
        """Return the cause in one line: `not run: 322 probes, cloud-x is not up: …`."""
        count = len(self.probes)
        told = f"{count} probes" if count > 1 else self.probes[0]
        return f"not run: {told}, {self.reason}"


def causes(items: Iterable[Evidence]) -> tuple[Cause, ...]:
    """Return why items did not run, each reason once, the costliest first.

    A probe that lacked more than one thing counts for the reason that it names first, where that
    is also the only one of another probe. One that ran on the tree after the fix alone counts too.
    """
    lost = [(item.probe, reason) for item in items if (reason := _lost(item))]
    reasons = sorted({reason for _, reason in lost}, key=len)
    found: dict[str, list[str]] = {}
    for probe, reason in lost:
        first = next(each for each in reasons if f"{reason};".startswith(f"{each};"))
        found.setdefault(first, []).append(probe)
    made = [Cause(reason=reason, probes=tuple(probes)) for reason, probes in found.items()]
    return tuple(sorted(made, key=lambda cause: -len(cause.probes)))


def half_seen(seen: Observation, reason: str) -> Observation:
    """Return the answer on the tree after the fix, with why there is none from before it."""
    return replace(seen, observed=f"{seen.observed}{_UNASKED}{reason}")


def _lost(item: Evidence) -> str:
    if item.passed is None:
        is_answered = item.observed.startswith(NO_PROOF)
        return item.observed.partition("; ")[0] if is_answered else item.observed
    _, is_half, reason = item.observed.rpartition(_UNASKED)
    return f"before the fix {reason}" if is_half and item.before is None else ""
