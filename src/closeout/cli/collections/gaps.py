"""The commands that belong to one gap, as it declares them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path

from invoke import Collection, Context, Task

from closeout.cli.declared import assert_declared
from closeout.cli.desk import carry_out
from closeout.cli.invoke_task import ROOT_HELP, at_home, command, on_monorepo
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.model import Command, Option

_ROOT = Option(name="root", help=ROOT_HELP["root"])


def _task(given: Command) -> Task[Callable[..., None]]:
    options = (_ROOT, *given.options) if given.on_monorepo else given.options

    def body(context: Context, **words: object) -> None:
        if given.on_monorepo:
            root = str(words.pop("root"))
            on_monorepo(context, root, lambda space: carry_out(given, space, words))
        elif given.run is not None:
            act = given.run
            at_home(context, lambda home: _of_declared(words, partial(act(), home)))

    body.__doc__ = given.told
    body.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter("context"), *(_parameter(item.name, item.default) for item in options)]
    )
    told = {item.name: item.help for item in options}
    room, _, name = given.name.partition(".")
    return command(room=room, name=name, help=told)(body)


def _of_declared(words: Mapping[str, object], act: Callable[..., ExitCode]) -> ExitCode:
    """Do what takes a monorepo as an option, where that monorepo's closeout.toml can be used."""
    if root := words.get("root"):
        assert_declared(DiskTree(Path(str(root))))
    return act(**words)


def _parameter(name: str, default: object = None) -> inspect.Parameter:
    return inspect.Parameter(
        name.replace("-", "_"),
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=inspect.Parameter.empty if default is None else default,
    )


def _collections(commands: Iterable[Command]) -> list[Collection]:
    rooms = groupby(commands, key=lambda item: item.name.partition(".")[0])
    return [Collection(room, *(_task(item) for item in items)) for room, items in rooms]


COLLECTIONS = _collections(item for gap in GAPS for item in gap.commands())
