"""Questions put to running parts, and what they saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from closeout.model.findings import Text


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that a probe took, in `unit`; `floor` is what it has to exceed, if anything."""

    name: Text
    value: float
    unit: str
    floor: float | None = None


NO_PROOF = "no proof: "
"""How an observation begins that says nothing of the service as it is deployed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """What a launcher put in the place of what, so that one service starts."""

    service: str
    launcher: str
    note: str
    stubbed: tuple[str, ...]
    """Modules and packages that are not there, and answer every name."""
    filled: tuple[str, ...]
    """Variables that nobody gives the service."""
    replaced: tuple[str, ...]
    """What was there, and something else stands for."""

    def __str__(self) -> str:
        """Return it in a line."""
        parts = [part for part in (self.launcher, self.note) if part]
        parts.append(f"stubbed: {', '.join(self.stubbed) or 'nothing'}")
        parts += [f"filled: {', '.join(self.filled)}"] * bool(self.filled)
        parts += [f"replaced: {', '.join(self.replaced)}"] * bool(self.replaced)
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a probe saw; `passed` None means it could not run, and `observed` says why."""

    passed: bool | None
    expected: str
    observed: str
    command: str
    measures: tuple[Measure, ...] = ()
    bug: str = ""
    """The failure of ours that kept it from an answer, with the log's name."""
    stand_ins: tuple[StandIns, ...] = ()
    """How the services that it asked were started."""


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
    packages: frozenset[str] = frozenset()
    """The packages that it is about: the answer of a service in which one is a stub is none."""

    @classmethod
    def of(
        cls,
        service: str,
        name: str,
        criterion: str,
        run: Callable[[ProbeContext], Observation],
        *needs: str,
    ) -> Probe:
        """Return the question `name` to the process of a service; `needs` is what it needs too."""
        return cls(id=name, criterion=criterion, needs=(service, *needs), run=run, subject=service)
