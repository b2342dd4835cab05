"""`invoke fix.undo`, and putting back what was cut off, which fixing begins with too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from closeout.console.layout import counted
from closeout.console.output import give, say, sum_up
from closeout.errors import ExitCode
from closeout.fs import lock
from closeout.fs.recovery import Recovered
from closeout.runs import store
from closeout.runs.workspace import Workspace


def undo(space: Workspace, run_id: str, *, keeps_edited: bool = False) -> ExitCode:
    """Put back the bytes from before a run, the latest one where `run_id` is empty.

    Where a command was cut off while it wrote, that one is put back, and no other. Files that
    somebody edited since refuse it, unless `keeps_edited` leaves them as they are.
    """
    space.announce()
    with lock.held(space.root):
        cut_off = [found for found in recover(space) if found.purpose != store.UNDO]
        if cut_off and not run_id:
            return _told(cut_off[0])
        if run_id:
            run = store.find(space.reports, run_id)
        else:
            run = store.newest_undoable(space.reports, space.root)
        done = store.undo(run, space.root, keeps_edited=keeps_edited)
    for path in done.left:
        say(f"  {path} was edited since, or is named where something was, and is left as it is")
    sum_up(f"run {run.id} undone: {counted(len(done.restored), 'file')} restored")
    _give(run.id, done.restored, done.left)
    return ExitCode.GAPS_LEFT if done.left else ExitCode.SETTLED


def recover(space: Workspace) -> tuple[Recovered, ...]:
    """Put back what was cut off while it wrote to the tree, and say so."""
    done = store.recover(space.reports, space.root)
    for found in done:
        say(f"rolled back the interrupted {found.purpose} {found.run}".rstrip())
        for path in found.left:
            say(f"  {path} was edited meanwhile and is left as it is")
    return done


def _told(found: Recovered) -> ExitCode:
    sum_up(f"{counted(len(found.restored), 'file')} restored")
    _give(found.run, found.restored, found.left)
    return ExitCode.GAPS_LEFT if found.left else ExitCode.SETTLED


def _give(run: str, restored: Iterable[PurePosixPath], left: Iterable[PurePosixPath]) -> None:
    told = {"files": [str(path) for path in restored], "left": [str(path) for path in left]}
    give("undone", {"run": run, **told})
