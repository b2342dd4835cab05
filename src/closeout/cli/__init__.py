"""The Invoke collections: a few lines a task, no logic."""

from __future__ import annotations

from pathlib import Path

from invoke import Collection

from closeout.cli.collections import audit, backup, certs, dbt, detect, fix, report, secrets


def namespace(home: Path, *more: Collection) -> Collection:
    """Return the root collection for the `tasks.py` in `home`, the folder of reports and builds.

    `more` are collections that this `tasks.py` offers beside ours.
    """
    modules = (fix, detect, certs, dbt, backup, audit, secrets, report)
    root = Collection(*(module.COLLECTION for module in modules), *more)
    root.configure({"closeout": {"home": str(home)}})
    return root
