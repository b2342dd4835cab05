"""Gates as values: a suite, a pipeline or a scan that judges a tree as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from closeout.model.findings import Means
from closeout.model.probes import Observation

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
