"""`detect.all`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.commands import detect
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo


@command(name="all", help={**ROOT_HELP, "only": "comma list of gap slugs"})
def detect_all(context: Context, root: str = "", only: str = "") -> None:
    """Print every open place; change nothing. Example: invoke detect.all --only cors."""
    on_monorepo(context, root, lambda space: detect.detect(space, detect.select(only)))


COLLECTION = Collection("detect", detect_all)
