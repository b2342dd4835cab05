"""Say where members go into an object literal of TypeScript."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice, indentation
from closeout.parsing.typescript_tree import children

if TYPE_CHECKING:
    from tree_sitter import Node


def appended(content: bytes, literal: Node, members: Sequence[str]) -> Splice:
    """Return the splice that adds `members`, source text, after those of an object literal."""
    own = children(literal)
    if not own:
        outer = indentation(content, literal.start_byte)
        step = "\t" if outer.startswith("\t") else outer or "  "
        inner = "".join(f"{outer}{step}{member},\n" for member in members)
        text = f"{{\n{inner}{outer}}}"
        return Splice(start=literal.start_byte, end=literal.end_byte, text=text)
    last = own[-1]
    following = content[last.end_byte : literal.end_byte]
    has_comma = following.lstrip().startswith(b",")
    at = last.end_byte + (following.index(b",") + 1 if has_comma else 0)
    gap = f"\n{indentation(content, last.start_byte)}" if b"\n" in following else " "
    text = ",".join(gap + member for member in members)
    return Splice(start=at, end=at, text=f"{text}," if has_comma else f",{text}")
