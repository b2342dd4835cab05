"""The Invoke collections: a few lines a task, no logic; those of a gap as it declares them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from invoke import Collection, Context, Task

from closeout.cli import program
from closeout.cli.commands import audit, detect, fix, report
from closeout.cli.commands import undo as undoing
from closeout.cli.declared import assert_declared
from closeout.cli.desk import carry_out
from closeout.cli.invoke_task import ROOT_HELP, at_home, command, on_monorepo
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.model import Command, Gap, Option
from closeout.reporting import bundle
from closeout.runs.workspace import Workspace

_ROOT = Option(name="root", help=ROOT_HELP["root"])
_AUDIT_HELP = {
    **ROOT_HELP,
    "claims": "a completion report, or the order with its boxes ticked, to hold against it",
    "quick": "leave out what has to run: suites, data pipeline, services",
}
_FIX_HELP = {
    **ROOT_HELP,
    "dry-run": "print the plan, write nothing",
    "diff": "the plan with the diff of every file, write nothing",
}


@command("fix", "all", {**_FIX_HELP, "only": "comma list of gap slugs"})
def fix_all(
    context: Context,
    root: str = "",
    only: str = "",
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
    diff: bool = False,  # noqa: FBT001, FBT002 - the same
) -> None:
    """Close every gap. Example: invoke fix.all --root ../farmiq --dry-run."""
    act = _act(dry_run=dry_run, diff=diff)
    on_monorepo(context, root, lambda space: act(space, detect.select(only)))


@command(
    "fix",
    "undo",
    {
        **ROOT_HELP,
        "run": "the run's id; without it the latest one that wrote",
        "keep-edited": "leave files that were edited since as they are, and put back the rest",
    },
)
def undo(
    context: Context,
    root: str = "",
    run: str = "",
    keep_edited: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
) -> None:
    """Put back the exact bytes from before a run. Example: invoke fix.undo."""
    on_monorepo(context, root, lambda space: undoing.undo(space, run, keeps_edited=keep_edited))


@command("detect", "all", {**ROOT_HELP, "only": "comma list of gap slugs"})
def detect_all(context: Context, root: str = "", only: str = "") -> None:
    """Print every open place; change nothing. Example: invoke detect.all --only cors."""
    on_monorepo(context, root, lambda space: detect.detect(space, detect.select(only)))


@command("audit", "all", _AUDIT_HELP)
def audit_all(context: Context, root: str = "", claims: str = "", quick: bool = False) -> None:  # noqa: FBT001, FBT002 - a command-line flag
    """Judge every criterion, change nothing. Example: invoke audit.all --root X --claims FILE."""
    act = audit.quick if quick else audit.full
    on_monorepo(context, root, lambda space: act(space, claims))


@command("report", "build", {**ROOT_HELP, "strict": "leave with 4 while something is unproven"})
def build(context: Context, root: str = "", strict: bool = False) -> None:  # noqa: FBT001, FBT002 - a command-line flag
    """Merge the evidence into one report. Example: invoke report.build --strict."""
    on_monorepo(context, root, report.build if strict else report.build_lenient)


@command("report", "verify", {**ROOT_HELP, "run": "the run's id; without it the latest one"})
def verify(context: Context, root: str = "", run: str = "") -> None:
    """Check a run's digests and staleness again. Example: invoke report.verify."""
    on_monorepo(context, root, lambda space: bundle.verify(space, run))


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
        on_monorepo(context, root, lambda space: act(space, detect.select(slug)))

    fix_one.__doc__ = f"Close one gap: {title}. Example: invoke fix.{slug} --dry-run."
    return command("fix", slug, _FIX_HELP)(fix_one)


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
    room, _, name = given.name.partition(".")
    return command(room, name, {item.name: item.help for item in options})(body)


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


def _of_gaps(commands: Iterable[Command]) -> list[Collection]:
    rooms = groupby(commands, key=lambda item: item.name.partition(".")[0])
    return [Collection(room, *(_task(item) for item in items)) for room, items in rooms]


_COLLECTIONS = (
    Collection("fix", fix_all, undo, *(_fix_one(gap.slug, gap.title) for gap in GAPS)),
    Collection("detect", detect_all),
    Collection("audit", audit_all),
    Collection("report", build, verify),
    *_of_gaps(item for gap in GAPS for item in gap.commands()),
)


def gather(home: Path, *more: Collection) -> Collection:
    """Return the root collection: our commands, those of the gaps, and `more`."""
    program.take_over()
    root = Collection(*_COLLECTIONS, *more)
    root.configure({"closeout": {"home": str(home)}})
    return root
