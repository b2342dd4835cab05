"""`fix.all`, one `fix.<slug>` a gap, and `fix.undo`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from invoke import Collection, Context, Task

from closeout.cli.commands import fix
from closeout.cli.commands import undo as undoing
from closeout.cli.commands.detect import select
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from closeout.model import Gap
from closeout.runs.workspace import Workspace

_HELP = {
    **ROOT_HELP,
    "dry-run": "print the plan, write nothing",
    "diff": "the plan with the diff of every file, write nothing",
}


@command(name="all", help={**_HELP, "only": "comma list of gap slugs"})
def fix_all(
    context: Context,
    root: str = "",
    only: str = "",
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
    diff: bool = False,  # noqa: FBT001, FBT002 - the same
) -> None:
    """Close every gap. Example: invoke fix.all --root ../farmiq --dry-run."""
    act = _act(dry_run=dry_run, diff=diff)
    on_monorepo(context, root, lambda space: act(space, select(only)))


@command(
    help={
        **ROOT_HELP,
        "run": "the run's id; without it the latest one that wrote",
        "keep-edited": "leave files that were edited since as they are, and put back the rest",
    }
)
def undo(
    context: Context,
    root: str = "",
    run: str = "",
    keep_edited: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
) -> None:
    """Put back the exact bytes from before a run. Example: invoke fix.undo."""
    on_monorepo(context, root, lambda space: undoing.undo(space, run, keeps_edited=keep_edited))


def _act(*, dry_run: bool, diff: bool) -> Callable[[Workspace, Sequence[Gap]], ExitCode]:
    """Return what is done to the gaps; a diff is shown where nothing is written."""
    return partial(fix.show, diff=diff) if dry_run or diff else fix.fix


def _fix_one(slug: str, title: str) -> Task[Callable[..., None]]:
    def fix_one(
        context: Context,
        root: str = "",
        dry_run: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
        diff: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        act = _act(dry_run=dry_run, diff=diff)
        on_monorepo(context, root, lambda space: act(space, select(slug)))

    fix_one.__doc__ = f"Close one gap: {title}. Example: invoke fix.{slug} --dry-run."
    return command(name=slug, help=_HELP)(fix_one)


COLLECTION = Collection("fix", fix_all, undo, *(_fix_one(gap.slug, gap.title) for gap in GAPS))
