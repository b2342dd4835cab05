"""Write the options of cors(…): fill an object literal in, or spell a new one out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice, indentation, line_start
from closeout.gaps.cors.fastapi.variables import VARIABLE
from closeout.parsing.typescript import read, text_of
from closeout.parsing.typescript_objects import appended
from closeout.parsing.typescript_tree import children

if TYPE_CHECKING:
    from tree_sitter import Node

_WIDTH = 100
_VARIABLE = re.compile(
    r"(process\.env(?:\.\w+|\[['\"]\w+['\"]\]))\s*(?:\|\||\?\?|\??\.split\(|,?$)"
)
"""Read for its value, not asked whether it is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a policy has to say; `origins` and `headers` are expressions, the others plain text."""

    origins: str
    methods: tuple[str, ...]
    headers: str
    more_headers: tuple[str, ...]

    def options(self, quote: str) -> dict[str, str]:
        """Return the options by name, each as it is written."""
        more = "".join(f", {quote}{name}{quote}" for name in self.more_headers)
        methods = ", ".join(f"{quote}{name}{quote}" for name in self.methods)
        headers = f"[...{self.headers}{more}]" if more else self.headers
        return {
            "origin": f"origin: {self.origins}",
            "methods": f"methods: [{methods}]",
            "allowedHeaders": f"allowedHeaders: {headers}",
        }


def spelled_out(content: bytes, at: int, wanted: Wanted) -> str:
    """Return a new object literal for the line of byte `at`."""
    return _block(content, at, wanted.options(_quote(content)).values())


def filled_in(content: bytes, node: Node, wanted: Wanted) -> Iterator[Splice]:
    """Yield the splices that close the object literal `node`; its other options stay."""
    options = wanted.options(_quote(content))
    own = {_name(child): child for child in children(node)}
    if "headers" in own and not _is_open_list(own["headers"]):
        del options["allowedHeaders"]
    replaced = {
        name: text
        for name, text in options.items()
        if name in own and (name == "origin" or _is_open_list(own[name]))
    }
    added = {name: text for name, text in options.items() if name not in own}
    if not own or _is_too_wide(content, node, (replaced | added).values()):
        kept = {_name(child): text_of(child) for child in children(node)}
        text = _block(content, node.start_byte, (kept | replaced | added).values())
        yield Splice(start=node.start_byte, end=node.end_byte, text=text)
        return
    for name, text in replaced.items():
        child = own[name]
        yield Splice(start=child.start_byte, end=child.end_byte, text=text)
    if added:
        yield appended(content, node, [*added.values()])


def own_variable(node: Node) -> str:
    """Return what of its environment an object literal takes its origin from, empty for none."""
    origins = (text_of(child) for child in children(node) if _name(child) == "origin")
    found = _VARIABLE.search(next(origins, ""))
    return found[1] if found is not None and VARIABLE not in found[1] else ""


def _is_too_wide(content: bytes, node: Node, written: Iterable[str]) -> bool:
    """Return whether an object on one line, and without comments, has to be broken up."""
    if b"\n" in (node.text or b"") or any(child.type == "comment" for child in node.children):
        return False
    before = node.end_byte - line_start(content, node.start_byte)
    return before + sum(len(text) + len(", ") for text in written) > _WIDTH


def _block(content: bytes, at: int, lines: Iterable[str]) -> str:
    outer = indentation(content, at)
    inner = outer + _step(content)
    return "{\n" + "".join(f"{inner}{line},\n" for line in lines) + f"{outer}}}"


@lru_cache(maxsize=4)
def _step(content: bytes) -> str:
    """Return the file's own step of indentation."""
    for line in content.splitlines():
        blanks = line[: len(line) - len(line.lstrip(b" \t"))]
        if blanks.startswith(b"\t"):
            return "\t"
        if len(blanks) in {2, 4} and not line.lstrip().startswith(b"*"):
            return " " * len(blanks)
    return "  "


@lru_cache(maxsize=4)
def _quote(content: bytes) -> str:
    places = read(content).strings
    double = sum(item.text.startswith('"') for item in places)
    return '"' if double > sum(item.text.startswith("'") for item in places) else "'"


def _name(child: Node) -> str:
    key = child.child_by_field_name("key") or child.child_by_field_name("name") or child
    return text_of(key).strip("'\"")


def _is_open_list(child: Node) -> bool:
    """Return whether an option that lists methods or headers lists all of them."""
    return any(quoted in text_of(child) for quoted in ("'*'", '"*"', "`*`"))
