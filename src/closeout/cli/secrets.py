"""`secrets.inventory` and `secrets.verify`."""

from __future__ import annotations

from invoke import Collection, Context, task

from closeout import sessions, stocktaking
from closeout.cli.door import ROOT_HELP, on_monorepo


@task(help=ROOT_HELP)
def inventory(context: Context, root: str = "") -> None:
    """List every secret variable of every service. Example: invoke secrets.inventory."""
    on_monorepo(context, root, stocktaking.list_secrets)


@task(help=ROOT_HELP)
def verify(context: Context, root: str = "") -> None:
    """Ask the cluster what it knows of the secrets. Example: invoke secrets.verify."""
    on_monorepo(context, root, sessions.ask_cluster)


COLLECTION = Collection("secrets", inventory, verify)
