"""Commands of a gap as values: what `invoke` offers beside finding, fixing and judging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from closeout.errors import ExitCode
from closeout.model.findings import Means
from closeout.model.gates import Gate, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a command; without a default it has to be given."""

    name: str
    """As it is typed, such as `dry-run`; the command gets it as `dry_run`."""
    help: str
    default: str | int | bool | None = ""


class Desk(Protocol):
    """What a command may ask of the program that runs it, about one monorepo."""

    @property
    def root(self) -> Path:
        """Return the monorepo's top folder."""

    def judge(self, gates: Sequence[Gate]) -> ExitCode:
        """Run the gates of one session, record their evidence and print it."""

    def record(self, session: str, means: Means, rows: Sequence[Row], seconds: float) -> ExitCode:
        """Record what was seen as a session's evidence, and print it."""

    def keep(self, name: str, content: bytes) -> str:
        """Write a file into the latest run about the tree, and return the run's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a gap; one without `run` puts the gates of one name to the tree.

    `run` loads the function that does it: it takes a Desk, or the project's own folder where no
    monorepo is asked for, and the options by name.
    """

    name: str
    """As it is typed after `invoke`, such as `certs.dev`."""
    told: str
    """What it does, and an example."""
    options: tuple[Option, ...] = ()
    run: Callable[[], Callable[..., Any]] | None = None
    gate: str = ""
    on_monorepo: bool = True
    """Whether it is given a monorepo, chosen by `--root`."""
