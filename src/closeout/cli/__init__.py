"""The doors: Invoke collections, and the parser of `python -m closeout`."""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` says too; `early` does not wait until that is loaded
if TYPE_CHECKING:
    from pathlib import Path

    from invoke import Collection


def namespace(home: Path, *more: Collection) -> Collection:
    """Return the root collection for the `tasks.py` in `home`, the folder of reports and builds.

    `more` are collections that this `tasks.py` offers beside ours.
    """
    # The parser lives below here too, and starts without Invoke.
    from closeout.cli import early  # noqa: PLC0415 - as the line before says

    early.quiet()
    from closeout.cli.collections import gather  # noqa: PLC0415 - the same

    return gather(home, *more)
