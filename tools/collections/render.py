"""`render.all` and `render.check`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.invoke_task import at_home, command
from tools import generate


@command("render", "all")
def render_all(context: Context) -> None:
    """Render manifests, broker configuration and their READMEs. Example: invoke render.all."""
    at_home(context, generate.render)


@command("render", "check")
def check(context: Context) -> None:
    """Fail if a rendered file differs from its template. Example: invoke render.check."""
    at_home(context, generate.check_rendered)


COLLECTION = Collection("render", render_all, check)
