"""Read the references to variables in compose files: `${NAME:-word}`, one in another's word too."""

from __future__ import annotations

import re

_DEEPEST = 4
"""References within each other: more is no text that anybody writes."""


def _word(depth: int) -> str:
    """Return what matches the word of a reference: no choice, so no backtracking without end."""
    inner = rf"|\$\{{{_word(depth - 1)}\}}" if depth else ""
    return rf"(?:[^$}}]|\$(?!\{{){inner})*"


WORD = _word(_DEEPEST)
"""Matches up to the brace that closes a reference."""
REFERENCE = rf"\$\{{{WORD}\}}"
"""Matches a whole reference in braces."""
DEFAULT = re.compile(r"\$\{(?P<name>\w+):?-(?P<word>(?:[^$}]|\$\$)*)\}")
"""Matches a variable with a default in which there is no further reference."""


def unset(text: str) -> str:
    """Return a text as it is while none of the variables with a default is set."""
    for _ in range(_DEEPEST):
        text = DEFAULT.sub(lambda found: found["word"], text)
    return text
