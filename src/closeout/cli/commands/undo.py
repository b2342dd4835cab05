"""`invoke fix.undo`."""

from __future__ import annotations

from closeout.console.output import give, say
from closeout.errors import ExitCode
from closeout.runs import store
from closeout.runs.workspace import Workspace


def undo(space: Workspace, run_id: str) -> ExitCode:
    """Put back the bytes from before a run, the latest one where `run_id` is empty."""
    space.announce()
    if run_id:
        run = store.find(space.reports, run_id)
    else:
        run = store.newest_undoable(space.reports, space.root)
    restored = store.undo(run)
    say(f"run {run.id} undone: {len(restored)} files restored")
    give("undone", {"run": run.id, "files": [str(path) for path in restored]})
    return ExitCode.SETTLED
