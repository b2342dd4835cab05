"""Hold an order's file against its data: every checkbox claimed by exactly one criterion."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from closeout.errors import CloseoutError
from closeout.model import WorkOrder

_CHECKBOX = re.compile(r"^\s*- \[[ xX]\]\s+\S")


def unclaimed(order: WorkOrder, text: str) -> tuple[str, ...]:
    """Return a message for every checkbox line that no criterion or more than one claims.

    `text` is the order's Markdown. A criterion whose line is gone is reported too. Raises
    CloseoutError("order-empty") for a text without a checkbox.
    """
    claims = Counter(item.source_digest for item in order.criteria)
    lines = checkboxes(text)
    digests = [line_digest(line) for _, line in lines]
    messages = [
        f"line {number}: {_told(claims[key])}: {line}"
        for (number, line), key in zip(lines, digests, strict=True)
        if claims[key] != 1
    ]
    messages += [
        f"criterion {item.id}: its line is not in the file"
        for item in order.criteria
        if item.source_digest not in digests
    ]
    messages += [
        f"the same line stands {count} times: {key}"
        for key, count in Counter(digests).items()
        if count > 1
    ]
    return tuple(messages)


def checkboxes(text: str) -> list[tuple[int, str]]:
    """Return the number and the text of every checkbox line of a Markdown text.

    Raises CloseoutError("order-empty") where there is none.
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if _CHECKBOX.match(line)
    ]
    if not lines:
        raise CloseoutError(
            "order-empty",
            "the file holds no checkbox.",
            hint="name the work order's Markdown file.",
        )
    return lines


def line_digest(line: str) -> str:
    """Return the SHA-256 of a checkbox line, without surrounding blanks and with an empty box."""
    emptied = re.sub(r"^- \[[xX]\]", "- [ ]", line.strip())
    return hashlib.sha256(emptied.encode()).hexdigest()


def _told(count: int) -> str:
    return "claimed by no criterion" if count == 0 else f"claimed by {count} criteria"
