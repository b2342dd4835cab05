"""The name that somebody most likely meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(word: str, known: Sequence[str], likeness: float = 0.0) -> str:
    """Return the known name that a word comes nearest to, empty where none is that much alike.

    `likeness` is from 0, where any name will do, to 1; of equals the first one is taken.
    """
    found = get_close_matches(word, known, n=1, cutoff=likeness)
    return found[0] if found else ""
