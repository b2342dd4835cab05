"""Make foreign text safe to keep and to show: what a service answered may hold anything."""

from __future__ import annotations

import unicodedata

LONGEST = 20_000
"""Characters of one text that are kept; a line of a megabyte is not read by anyone."""

_UNSHOWN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_KEPT = "\t\n\r"


def storable(value: object) -> object:
    """Return a JSON value that any encoder takes: no lone surrogates, and no text without end."""
    if isinstance(value, str):
        return _shortened(value.encode("utf-8", "replace").decode())
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def shown(text: str) -> str:
    """Return text in which what could hide or turn its neighbours round is written as an escape.

    Control, format and direction characters are; tabs and line ends stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"\\u{ord(char):04x}"
        if unicodedata.category(char) in _UNSHOWN and char not in _KEPT
        else char
        for char in text
    )


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} … ({len(text) - LONGEST} more characters)"
