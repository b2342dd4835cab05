"""The Invoke collections: a few lines a task, no logic."""

from __future__ import annotations

from pathlib import Path

from invoke import Collection

from closeout.cli import program
from closeout.cli.collections import audit, detect, fix, gaps, report


def gather(home: Path, *more: Collection) -> Collection:
    """Return the root collection: our commands, those of the gaps, and `more`."""
    program.take_over()
    modules = (fix, detect, audit, report)
    root = Collection(*(module.COLLECTION for module in modules), *gaps.COLLECTIONS, *more)
    root.configure({"closeout": {"home": str(home)}})
    return root
