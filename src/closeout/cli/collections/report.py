"""`report.build` and `report.verify`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.commands import report
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo
from closeout.reporting import bundle


@command(help={**ROOT_HELP, "strict": "leave with 4 while something is unproven"})
def build(context: Context, root: str = "", strict: bool = False) -> None:  # noqa: FBT001, FBT002 - a command-line flag
    """Merge the evidence into one report. Example: invoke report.build --strict."""
    act = report.build if strict else report.build_lenient
    on_monorepo(context, root, act)


@command(help={**ROOT_HELP, "run": "the run's id; without it the latest one"})
def verify(context: Context, root: str = "", run: str = "") -> None:
    """Check a run's digests and staleness again. Example: invoke report.verify."""
    on_monorepo(context, root, lambda space: bundle.verify(space, run))


COLLECTION = Collection("report", build, verify)
