"""Step from an Invoke task into the library: choose the monorepo, guard, exit with a code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path

from invoke import Context, Task, task

from closeout.cli.error_handler import guarded
from closeout.cli.program import leave
from closeout.console import output
from closeout.errors import ExitCode
from closeout.runs.workspace import Workspace, choose

ROOT_HELP = {
    "root": "the monorepo's top folder; without it CLOSEOUT_ROOT, the current folder, "
    "or a working copy of the bundled reference monorepo"
}
_VOICE_HELP = {
    "json": "one JSON document on stdout; the lines for people go to stderr",
    "quiet": "the last line alone",
    "verbose": "no text cut, and where every file comes from",
}
_VOICE = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False) for name in _VOICE_HELP
]

Body = Callable[..., None]

OPTION_HELP: dict[str, Mapping[str, str]] = {}
"""What each task says of its options, by its full name; Invoke forgets it once it is shown."""


def command(
    room: str, name: str, told: Mapping[str, str] | None = None
) -> Callable[[Body], Task[Body]]:
    """Make the task `room.name` of a function that takes `--json`, `--quiet` and `--verbose` too.

    `told` is what it says of its other options.
    """

    def made(body: Body) -> Task[Body]:
        full_name = f"{room}.{name}"

        @wraps(body)
        def spoken(context: Context, *words: object, **options: object) -> None:
            as_json, quiet, verbose = (bool(options.pop(name)) for name in _VOICE_HELP)
            with output.turn(full_name, as_json=as_json, quiet=quiet, verbose=verbose):
                body(context, *words, **options)

        signature = inspect.signature(body)
        parameters = [*signature.parameters.values(), *_VOICE]
        spoken.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        OPTION_HELP[full_name] = {**(told or {}), **_VOICE_HELP}
        done: Task[Body] = task(name=name, help=OPTION_HELP[full_name])(spoken)
        return done

    return made


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
