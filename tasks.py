"""What `invoke` offers here: what every monorepo gets, and what this project's makers need."""

from pathlib import Path

from closeout.cli import early, namespace

early.quiet()

from tools.collections import MAKERS  # noqa: E402 - Ctrl-C first

ns = namespace(Path(__file__).resolve().parent, *MAKERS)
