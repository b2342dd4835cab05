"""`dbt.compile`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.commands import gate
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo


@command(name="compile", help=ROOT_HELP)
def compile_models(context: Context, root: str = "") -> None:
    """Compile the models, then check what compiling cannot. Example: invoke dbt.compile."""
    on_monorepo(context, root, gate.compile_models)


COLLECTION = Collection("dbt", compile_models)
