"""What `invoke` offers here: what every monorepo gets, and what this project's makers need."""

from pathlib import Path

from closeout.cli import namespace
from tools.collections import MAKERS

ns = namespace(Path(__file__).resolve().parent, *MAKERS)
