"""A defect in a file of a dbt project, and reading its YAML without trusting it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice, line_offset, line_start
from closeout.parsing.yaml_loader import loader_of, plain

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A defect at byte `offset`; it has no mend where more than one answer would be right."""

    offset: int
    message: str
    mend: tuple[Splice, ...] = ()
    removes: bool = False
    """Whether the mend is that the whole file goes."""
    advice: str = ""

    @property
    def has_mend(self) -> bool:
        """Return whether there is one right answer."""
        return self.removes or bool(self.mend)


def column(content: bytes, offset: int) -> int:
    """Return the 1-based column of `offset`, counted in characters."""
    return len(content[line_start(content, offset) : offset].decode("utf-8", "replace")) + 1


def loaded(content: bytes) -> object:
    """Return the parsed YAML, None where it does not parse: it then says nothing."""
    import yaml  # noqa: PLC0415 - slow to import, needed only where there is a dbt project

    try:
        return plain(content)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def composed(content: bytes) -> Node | None:
    """Return the YAML's nodes, which know their places; None where it does not parse."""
    import yaml  # noqa: PLC0415 - slow to import, needed only where there is a dbt project

    found: Node | None = None
    with suppress(yaml.YAMLError, ValueError, RecursionError):
        found = loader_of(content).get_single_node()
    return found


def mappings(document: Node | None) -> Iterator[MappingNode]:
    """Yield every mapping of the document once, whatever aliases lead to it."""
    from yaml.nodes import MappingNode, SequenceNode  # noqa: PLC0415 - slow to import

    waiting: list[Node] = [document] if document is not None else []
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            yield node
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            waiting += node.value


def offset_of(content: bytes, node: Node) -> int:
    """Return the byte where the node starts."""
    start = line_offset(content, node.start_mark.line + 1)
    line = content[start:].split(b"\n", 1)[0].decode("utf-8", "replace")
    return start + len(line[: node.start_mark.column].encode())
