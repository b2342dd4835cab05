"""`dbt.compile`."""

from __future__ import annotations

from invoke import Collection, Context, task

from closeout import sessions
from closeout.cli.door import ROOT_HELP, on_monorepo


@task(name="compile", help=ROOT_HELP)
def compile_models(context: Context, root: str = "") -> None:
    """Compile the models, then check what compiling cannot. Example: invoke dbt.compile."""
    on_monorepo(context, root, sessions.compile_models)


COLLECTION = Collection("dbt", compile_models)
