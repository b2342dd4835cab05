"""Lines for people: numbers with their things, texts cut or wrapped to the width of a line."""

from __future__ import annotations

import textwrap

from closeout.errors import CloseoutError

WIDTH = 100
"""Columns that a line takes at most, unless it is a path or a command."""


def counted(count: int, thing: str, plural: str = "") -> str:
    """Return a number and its thing, such as `1 place` or `2 places`."""
    return f"{count} {thing if count == 1 else plural or thing + 's'}"


def fitted(head: str, text: str, *, whole: bool) -> str:
    """Return one line: `text` after `head`, cut at WIDTH unless `whole` is asked for."""
    line = head + " ".join(text.split())
    return line if whole or len(line) <= WIDTH else f"{line[: WIDTH - 1].rstrip()}…"


def wrapped(head: str, text: str, margin: str | None = None) -> list[str]:
    """Return `text` after `head` on as many lines as it takes; no word is broken.

    `margin` stands before what goes on, blanks as wide as the head if unsaid.
    """
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head) if margin is None else margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def of_error(error: CloseoutError) -> str:
    """Return an error as its three lines, each wrapped; what goes on stands deeper."""
    first, *told = str(error).splitlines()
    lines = [first]
    for text in told:
        said = text.lstrip()
        # Its own margin is given apart: it would go where the first word is a long one.
        lines += wrapped(text.removesuffix(said), said, "  ")
    return "\n".join(lines)
