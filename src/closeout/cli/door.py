"""Step from an Invoke task into the library: choose the monorepo, guard, exit with a code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from invoke import Context, Exit

from closeout.boundary import guarded
from closeout.errors import ExitCode
from closeout.workspace import Workspace, choose

ROOT_HELP = {
    "root": "the monorepo's top folder; without it CLOSEOUT_ROOT, the current folder, "
    "or a working copy of the bundled reference monorepo"
}


def home_of(context: Context) -> Path:
    """Return the folder of the `tasks.py` that is running."""
    return Path(context.config["closeout"]["home"])


def on_monorepo(context: Context, root: str, action: Callable[[Workspace], ExitCode]) -> None:
    """Run `action` on the chosen monorepo and leave with its code."""
    home = home_of(context)
    leave(guarded(home, lambda: action(choose(home, root or None))))


def at_home(context: Context, action: Callable[[Path], ExitCode]) -> None:
    """Run `action` on the project's own folder and leave with its code."""
    home = home_of(context)
    leave(guarded(home, lambda: action(home)))


def leave(code: ExitCode) -> None:
    """End the Invoke run where `code` is not zero; a settled task lets the next one start."""
    if code is not ExitCode.SETTLED:
        raise Exit(code=int(code))
