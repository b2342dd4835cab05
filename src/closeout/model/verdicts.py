"""Evidence and the rulings built on it; CLOSED cannot be constructed without the first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from msgspec import Meta

from closeout.model.findings import Criterion, Digest, Means, Text, Verdict
from closeout.model.probes import NO_PROOF, Observation, ProofKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Observation):
    """One recorded observation, bound to the tree it was made on."""

    probe: str
    criterion: str
    before: bool | None
    """The same probe's answer on the tree before the fix; None where there is none."""
    observed: Text
    command: Text
    tree_digest: Digest
    at: Annotated[datetime, Meta(tz=True)]
    seconds: Annotated[float, Meta(ge=0)]
    means: Means

    def __post_init__(self) -> None:
        """Refuse evidence that says nothing."""
        if not self.observed or not self.command:
            message = f"evidence {self.probe} without an observation or a command"
            raise ValueError(message)

    @property
    def kind(self) -> ProofKind:
        """Return proof, guard, regression or open, from the answers before and after."""
        return ProofKind.of(self.before, self.passed)

    @property
    def way(self) -> str:
        """Return what settles what can be no proof here: it is asked where the service runs."""
        return self.command if self.observed.startswith(NO_PROOF) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A criterion, a finding or a probe that somebody accepts as it is, until a date."""

    subject: str
    who: str
    when: date
    why: str
    until: date

    def __post_init__(self) -> None:
        """Refuse a waiver without a person or a reason."""
        if not self.who.strip() or not self.why.strip():
            message = f"waiver of {self.subject} needs who and why"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A criterion's verdict and its ground. CLOSED cannot be built without passing evidence."""

    criterion: Criterion
    verdict: Verdict
    because: str
    evidence: tuple[Evidence, ...] = ()
    waiver: Waiver | None = None
    allowed: tuple[Waiver, ...] = ()
    """The waivers of single findings and probes that were left out of its ground."""
    way: str = ""
    """What settles it where its criterion's own command does not, though something can."""

    @property
    def settled_by(self) -> str:
        """Return the command that settles it, or what to do where no command does."""
        return self.way or self.criterion.settled_by

    def __post_init__(self) -> None:
        """Hold the two invariants that make a ruling worth reading."""
        if self.verdict is Verdict.CLOSED and not any(item.passed for item in self.evidence):
            message = f"criterion {self.criterion.id} cannot be CLOSED without passing evidence"
            raise ValueError(message)
        if self.verdict is Verdict.CLOSED and any(item.passed is False for item in self.evidence):
            message = f"criterion {self.criterion.id} cannot be CLOSED against failing evidence"
            raise ValueError(message)
        if self.verdict is Verdict.NOT_APPLICABLE and any(
            item.passed is False for item in self.evidence
        ):
            message = f"criterion {self.criterion.id} applies: evidence about it fails"
            raise ValueError(message)
        if self.verdict is Verdict.WAIVED and self.waiver is None:
            message = f"criterion {self.criterion.id} cannot be WAIVED without a waiver"
            raise ValueError(message)
