"""`patches.prepare` and `patches.check`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.invoke_task import at_home, command
from tools import generate


@command("patches", "prepare")
def prepare(context: Context) -> None:
    """Make `patches/` anew from the reference monorepo. Example: invoke patches.prepare."""
    at_home(context, lambda _: generate.prepare_patches())


@command("patches", "check")
def check(context: Context) -> None:
    """Fail if `patches/` differs from what would be made. Example: invoke patches.check."""
    at_home(context, lambda _: generate.check_patches())


COLLECTION = Collection("patches", prepare, check)
