"""`secrets.inventory` and `secrets.verify`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.commands import gate, secrets
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo


@command(help=ROOT_HELP)
def inventory(context: Context, root: str = "") -> None:
    """List every secret variable of every service. Example: invoke secrets.inventory."""
    on_monorepo(context, root, secrets.list_secrets)


@command(help=ROOT_HELP)
def verify(context: Context, root: str = "") -> None:
    """Ask the cluster what it knows of the secrets. Example: invoke secrets.verify."""
    on_monorepo(context, root, gate.ask_cluster)


COLLECTION = Collection("secrets", inventory, verify)
