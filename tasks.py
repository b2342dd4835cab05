"""What `invoke` offers here: the collections of `closeout.cli`, with this folder as their home."""

from pathlib import Path

from closeout.cli import namespace

ns = namespace(Path(__file__).resolve().parent)
