"""Answer cheap questions about a file's bytes, each once: most files never need a parser.

Every gap asks on the tree before the fix, on its own stage and after it, mostly of the same bytes.
"""

from __future__ import annotations

import re
from functools import lru_cache

_REMEMBERED = 1 << 16
"""Answers kept; more than every question that the gaps ask of a tree of 20,000 sources."""


@lru_cache(maxsize=_REMEMBERED)
def holds(content: bytes, signs: tuple[bytes, ...]) -> bool:
    """Return whether any of `signs` stands in `content`."""
    return any(sign in content for sign in signs)


@lru_cache(maxsize=_REMEMBERED)
def holds_in_any_case(content: bytes, signs: tuple[bytes, ...]) -> bool:
    """Return whether any of `signs`, written in lower case, stands in `content` in any case."""
    lowered = content.lower()
    return any(sign in lowered for sign in signs)


@lru_cache(maxsize=_REMEMBERED)
def matches(content: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Return whether `pattern` matches anywhere in `content`."""
    return pattern.search(content) is not None
