"""Tell what the description of an interface shows as an example."""

from __future__ import annotations

import re

_LINE = re.compile(
    rb"(?:[ \t]*(?:\*|#|//))?(?P<indent>[ \t]*)(?:-[ \t]+)?[\"']?(?P<key>[\w$.-]+)[\"']?[ \t]*:"
)
_EXAMPLES = frozenset({b"example", b"examples"})
_FURTHEST = 40
"""Lines that are looked back for the key above."""
_NEAR = 64 * 1024
"""Bytes that they have at the most."""


def is_example(content: bytes, offset: int) -> bool:
    """Return whether a place stands below the key `example` of YAML, in comments of code too."""
    start = content.rfind(b"\n", 0, offset) + 1
    lines = content[max(0, start - _NEAR) : start].splitlines()[-_FURTHEST:]
    own = _LINE.match(content[start : content.find(b"\n", offset)])
    if own is None:
        return False
    if own["key"] in _EXAMPLES:
        return True
    depth = len(own["indent"])
    for line in reversed(lines):
        held = _LINE.match(line)
        if held is not None and len(held["indent"]) < depth:
            if held["key"] in _EXAMPLES:
                return True
            depth = len(held["indent"])
    return False
