"""`invoke fix.undo`, and putting back what was cut off, which fixing begins with too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
            found = cut_off[0]
            return _told("", found.run, found.restored, found.left)
        if run_id:
            run = store.find(space.reports, run_id)
        else:
            run = store.newest_undoable(space.reports, space.root)
        done = store.undo(run, space.root, keeps_edited=keeps_edited)
    for path in done.left:
        say(f"  {path} was edited since, or is named where something was, and is left as it is")
    return _told(f"run {run.id} undone: ", run.id, done.restored, done.left)


def recover(space: Workspace) -> tuple[Recovered, ...]:
    """Put back what was cut off while it wrote to the tree, and say so."""
    done = store.recover(space.reports, space.root)
    for found in done:
        say(f"rolled back the interrupted {found.purpose} {found.run}".rstrip())
        for path in found.left:
            say(f"  {path} was edited meanwhile and is left as it is")
    return done


def _told(
    what: str, run: str, restored: Sequence[PurePosixPath], left: Collection[PurePosixPath]
) -> ExitCode:
    sum_up(f"{what}{counted(len(restored), 'file')} restored")
    told = {"files": [str(path) for path in restored], "left": [str(path) for path in left]}
    give("undone", {"run": run, **told})
    return ExitCode.GAPS_LEFT if left else ExitCode.SETTLED
