"""The Invoke collections: a few lines a task, no logic."""

from __future__ import annotations

from pathlib import Path

from invoke import Collection
from tools.collections import patches, render

from closeout.cli.collections import audit, backup, certs, dbt, detect, fix, report, secrets


def namespace(home: Path) -> Collection:
    """Return the root collection for the `tasks.py` in `home`, the folder of reports and builds."""
    modules = (fix, detect, certs, render, dbt, backup, patches, audit, secrets, report)
    root = Collection(*(module.COLLECTION for module in modules))
    root.configure({"closeout": {"home": str(home)}})
    return root
