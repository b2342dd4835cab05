"""What detectors report: places, refusals, and what was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated

from msgspec import Meta

Text = Annotated[str, Meta(min_length=1)]
"""Text that says something."""
Count = Annotated[int, Meta(ge=0)]
Line = Annotated[int, Meta(ge=1)]
Digest = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{64}$"})]
"""A SHA-256 in hexadecimal; one of another form is of no tree that there is."""


NO_CRITERION = "none"
"""The criterion of a finding beside the order."""


class Means(Enum):
    """What can settle a criterion."""

    STATIC = "static"
    SUITE = "suite"
    LIVE = "live"
    OPERATOR = "operator"


class Verdict(IntEnum):
    """A ruling's outcome, best to worst; a gap takes its worst."""

    NOT_APPLICABLE = 0
    """The tree has nothing that the criterion is about: neither proven nor in the way."""
    CLOSED = 1
    WAIVED = 2
    UNPROVEN = 3
    DRIFTED = 4
    BLOCKED = 5
    OPEN = 6


class Reason(Enum):
    """Why a place was left alone, and the verdict that follows from it."""

    DRIFTED = "drifted"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNPARSABLE = "unparsable"
    AMBIGUOUS = "ambiguous"
    UNUSABLE = "unusable"
    """Concerns a whole gap: something that it needs cannot be used."""
    OURS = "bug"
    """Concerns a whole gap: a failure of our own, whose log is named."""

    @property
    def stops_gap(self) -> bool:
        """Return whether nothing of the gap can be judged or written."""
        return self in {Reason.UNUSABLE, Reason.OURS}

    @property
    def verdict(self) -> Verdict:
        """Return DRIFTED where the code moved on, BLOCKED where it cannot be judged."""
        drifted = {Reason.DRIFTED, Reason.MISSING, Reason.AMBIGUOUS}
        return Verdict.DRIFTED if self in drifted else Verdict.BLOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One checkbox of a work order, in our words, tied to its line by digest."""

    id: str
    text: str
    source_digest: str
    means: Means
    settled_by: str
    """The command that settles it here, or the operator's command."""
    rests_on: tuple[str, ...] = ()
    """Ids of the criteria whose worst verdict is this one's; empty where it is judged itself."""
    rules: tuple[str, ...] = ()
    """What has to hold for it, as GAP/RULE; these three are what a team's own order goes by."""
    probes: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a gap is open."""

    gap: str
    rule: str
    criterion: str
    path: PurePosixPath
    line: Line
    message: str
    excerpt: str
    named: bool
    """Whether the work order lists this place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """A place that was left alone, with the reason."""

    path: PurePosixPath
    reason: Reason
    detail: str
    line: Line = 1
    hint: str = "mend the file by hand, then run the command again."
    probes: tuple[str, ...] = field(default=(), compare=False)
    """The probes that ask what reading cannot tell; without any, no answer settles it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule applied to a tree: what it looked at and what it found.

    A check that examined nothing proves nothing: `examined` empty means UNPROVEN, not closed.
    """

    rule: str
    criterion: str
    examined: tuple[PurePosixPath, ...]
    findings: tuple[Finding, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()

    @property
    def held(self) -> tuple[Finding, ...]:
        """Return the findings that the criterion speaks of; the others are beside the order."""
        return tuple(item for item in self.findings if item.criterion == self.criterion)
