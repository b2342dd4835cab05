"""Gates as values: a suite, a pipeline or a scan that judges a tree as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from closeout.model.findings import Means
from closeout.model.probes import Observation, Probe, ProbeContext

Row = tuple[str, str, Observation]
"""Probe id, criterion id and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """What a gate may use: a tree that it must not write to, and folders of its own."""

    root: Path
    scratch: Path
    """Emptied after the gate."""
    cache: Path
    """Kept from run to run."""
    python: Path | None = None
    """The interpreter of an environment made from the gate's `requirements`."""

    @property
    def interpreter(self) -> Path:
        """Return the interpreter; only a gate with `requirements` has one."""
        if self.python is None:
            message = "a gate that needs an interpreter names its requirements"
            raise LookupError(message)
        return self.python

    def program(self, name: str) -> Path:
        """Return a program of the interpreter's environment."""
        return self.interpreter.with_name(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Something that judges a tree as a whole; the gates of one name are one session.

    `python -m closeout gate NAME` runs it on the tree before the fix, where there was one, and on
    the tree as it is.
    """

    name: str
    session: str
    """Names the file of evidence that it leaves."""
    means: Means
    criteria: tuple[str, ...]
    run: Callable[[GateContext], Iterable[Row]]
    requirements: str = ""
    """The pin file of the environment that it needs, such as `requirements/dbt.txt`."""
    suite: bool = False
    """Whether `gate all`, and with it the session `coverage_gates`, runs it."""
    audited: bool = False
    """Whether `audit.all` runs it."""


def of_probe(probe: Probe) -> Gate:
    """Return the gate that puts one probe, which needs no service, to the tree."""

    def run(context: GateContext) -> Iterable[Row]:
        seen = probe.run(ProbeContext(root=context.root, scratch=context.scratch))
        return ((probe.id, probe.criterion, seen),)

    return Gate(
        name=probe.id,
        session=probe.id,
        means=Means.LIVE,
        criteria=(probe.criterion,),
        run=run,
    )
