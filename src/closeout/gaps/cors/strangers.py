"""Try an origin's regular expression with pages that nobody trusts."""

from __future__ import annotations

import re

_STRANGERS = ("http://evil.com", "https://closeout.invalid", "null")
_LONGEST_PATTERN = 300
"""Characters; a longer regular expression from a foreign tree is not tried."""


def compiled(pattern: str) -> re.Pattern[str] | None:
    """Return the pattern to try, None for one too long to be tried and for none at all."""
    try:
        return re.compile(pattern) if len(pattern) <= _LONGEST_PATTERN else None
    except re.error:
        return None


def taken_by(pattern: re.Pattern[str], *, whole: bool) -> bool:
    """Return whether a stranger's origin is taken, as a `whole` or wherever the pattern fits."""
    ask = pattern.fullmatch if whole else pattern.search
    return any(map(ask, _STRANGERS))
