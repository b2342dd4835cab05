"""What a gap's command may ask of us: see `closeout.model.commands.Desk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout.cli import session
from closeout.cli.declared import assert_declared
from closeout.errors import ExitCode
from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.model import Command, Gate, Means, Row
from closeout.runs import store
from closeout.runs.workspace import Workspace


@dataclass(frozen=True, slots=True)
class WorkspaceDesk:
    """Stands before one monorepo; what is recorded goes into its runs."""

    space: Workspace

    @property
    def root(self) -> Path:
        """Return the monorepo's top folder."""
        return self.space.root

    def judge(self, gates: Sequence[Gate]) -> ExitCode:
        """Run the gates of one session, record their evidence and print it."""
        return session.judge(self.space, gates, session.kept_environments(self.space))

    def record(self, name: str, means: Means, rows: Sequence[Row], seconds: float) -> ExitCode:
        """Record what was seen as a session's evidence, and print it."""
        return session.conclude(self.space, name, session.answers(rows, seconds), means)

    def keep(self, name: str, content: bytes) -> str:
        """Write a file into the latest run about the tree, and return the run's id."""
        run = store.latest(self.space.reports, self.space.root)
        writer.durable_write(run.folder / name, content)
        session.tell_seal(run)
        return run.id


def carry_out(command: Command, space: Workspace, options: Mapping[str, object]) -> ExitCode:
    """Do what a gap's command does on a monorepo."""
    space.announce()
    assert_declared(DiskTree(space.root))
    desk = WorkspaceDesk(space)
    if command.run is None:
        return desk.judge(session.named(command.gate))
    return ExitCode(command.run()(desk, **options))
