"""`patches.prepare` and `patches.check`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout import upkeep
from closeout.cli.door import at_home, command


@command()
def prepare(context: Context) -> None:
    """Make `patches/` anew from the reference monorepo. Example: invoke patches.prepare."""
    at_home(context, lambda _: upkeep.prepare_patches())


@command()
def check(context: Context) -> None:
    """Fail if `patches/` differs from what would be made. Example: invoke patches.check."""
    at_home(context, lambda _: upkeep.check_patches())


COLLECTION = Collection("patches", prepare, check)
