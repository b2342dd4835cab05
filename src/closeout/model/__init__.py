"""The domain's values: frozen, keyword-only, and unbuildable in a bad state.

Standard library only. Every other module may import this one; it imports nothing of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from closeout.model.tree import Tree


class Means(Enum):
    """What can settle a criterion."""

    STATIC = "static"
    SUITE = "suite"
    LIVE = "live"
    OPERATOR = "operator"


class Verdict(IntEnum):
    """A ruling's outcome, best to worst; a gap takes its worst."""

    CLOSED = 0
    WAIVED = 1
    UNPROVEN = 2
    DRIFTED = 3
    BLOCKED = 4
    OPEN = 5


class PatchState(Enum):
    """How a unified diff relates to the tree it is tried on."""

    APPLIES = "applies"
    ALREADY_APPLIED = "already applied"
    DRIFTED = "drifted"
    TARGET_MISSING = "target missing"


class Reason(Enum):
    """Why a place was left alone, and the verdict that follows from it."""

    DRIFTED = "drifted"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNPARSABLE = "unparsable"
    AMBIGUOUS = "ambiguous"

    @property
    def verdict(self) -> Verdict:
        """Return DRIFTED where the code moved on, BLOCKED where it cannot be judged."""
        drifted = {Reason.DRIFTED, Reason.MISSING, Reason.AMBIGUOUS}
        return Verdict.DRIFTED if self in drifted else Verdict.BLOCKED


class ProofKind(Enum):
    """What a probe's answers before and after the fix say together."""

    PROOF = "proof"
    GUARD = "guard"
    REGRESSION = "regression"
    OPEN = "open"
    OBSERVED = "observed"
    NOT_RUN = "not run"

    @classmethod
    def of(cls, before: bool | None, after: bool | None) -> ProofKind:  # noqa: FBT001 - answers
        """Return what a probe's two answers say; None means that it did not run."""
        if after is None:
            return cls.NOT_RUN
        if after:
            return {None: cls.OBSERVED, False: cls.PROOF, True: cls.GUARD}[before]
        return cls.REGRESSION if before else cls.OPEN


class Source(Enum):
    """Where a changeset's text comes from; only CODE is kept as a prepared patch."""

    CODE = "code"
    TEMPLATE = "template"
    SUITE = "suite"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a gap is open."""

    gap: str
    rule: str
    criterion: str
    path: PurePosixPath
    line: int
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
    line: int = 1
    hint: str = "mend the file by hand, then run the command again."


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One file's bytes before and after; `before` None creates it, `mode` is permission bits."""

    path: PurePosixPath
    before: bytes | None
    after: bytes
    mode: int = 0o644

    def __post_init__(self) -> None:
        """Refuse an edit that changes nothing and a path that could leave the tree."""
        if self.before == self.after:
            message = f"an edit of {self.path} that changes nothing"
            raise ValueError(message)
        if self.path.is_absolute() or ".." in self.path.parts:
            message = f"an edit outside the tree: {self.path}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeset:
    """Edits that stand or fall together: one service, one chart, one suite."""

    name: str
    """Kebab-case; becomes the prepared patch's file name after its number."""
    edits: tuple[Edit, ...]
    source: Source = Source.CODE
    unresolved: tuple[Unresolved, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A unified diff with its origin: prepared in this project, or derived on the tree."""

    slug: str
    name: str
    diff: bytes
    targets: tuple[PurePosixPath, ...]
    origin: str

    @property
    def sha256(self) -> str:
        """Return the diff's digest in hexadecimal."""
        return hashlib.sha256(self.diff).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one gap wants written, and what it will not touch."""

    gap: str
    edits: tuple[Edit, ...]
    patches: tuple[Patch, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A departure from the order: its claim, what was measured, what we do instead."""

    id: str
    claim: str
    finding: str
    decision: str
    adr: str = "docs/adr/0006-departures-from-the-order.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that a probe took, in `unit`; `floor` is what it has to exceed, if anything."""

    name: str
    value: float
    unit: str
    floor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a probe saw; `passed` None means it could not run, and `observed` says why."""

    passed: bool | None
    expected: str
    observed: str
    command: str
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeContext:
    """What a probe may use: a private copy of the tree, a scratch folder and named endpoints.

    `services` maps a service's folder name to its base URL, such as `http://127.0.0.1:40123`;
    `settings` carries what a launcher shares, such as a PostgreSQL DSN.
    """

    root: Path
    scratch: Path
    services: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of a monorepo, in `folder` below its top; `kind` is `fastapi` or `express`."""

    name: str
    folder: PurePosixPath
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question put to running parts. `needs` names tools or services it cannot do without.

    `subject` is the folder name of the service that is asked; its process is named in `needs`.
    """

    id: str
    criterion: str
    needs: tuple[str, ...]
    run: Callable[[ProbeContext], Observation]
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One issue of a work order as a value: how to find it, mend it and prove it.

    `derive` computes changesets for the places that are still open on the tree it is given.
    """

    slug: str
    issue: int
    title: str
    priority: str
    criteria: tuple[str, ...]
    detect: Callable[[Tree], tuple[Check, ...]]
    derive: Callable[[Tree], tuple[Changeset, ...]]
    probes: Callable[[], tuple[Probe, ...]] = tuple
    """Called where they are asked: what they need to run, no plan needs."""
    probes_of: Callable[[Tree, Service], tuple[Probe, ...]] | None = None
    """The probes of a service of the tree that the order does not list."""
    deviations: tuple[Deviation, ...] = ()
    guide: str = ""
    """The gap's user documentation: problem, before, after (the folder's docstring)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """A work order as data. The gaps are joined to it by issue number, in `closeout.gaps`."""

    id: str
    title: str
    source_sha256: str
    criteria: tuple[Criterion, ...]
    issues: Mapping[int, str]
    """Issue number to gap slug, in the order's sequence."""
