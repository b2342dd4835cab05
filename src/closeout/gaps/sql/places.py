"""A defect in a file of a dbt project, and reading its YAML without trusting it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from closeout.fs.text_edit import Splice, line_start
from closeout.parsing.yaml import Entry, Node, NodeKind, YamlError, documents
from closeout.parsing.yaml_loader import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A defect at byte `offset`; it has no mend where more than one answer would be right."""

    offset: int
    message: str
    mend: tuple[Splice, ...] = ()
    removes: bool = False
    """Whether the mend is that the whole file goes."""
    advice: str = ""
    told: str = ""
    """What a person has to know of the mend."""

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


def entries(content: bytes) -> Iterator[Entry]:
    """Yield the entries of every mapping of a YAML file once, whatever aliases lead to it.

    None where the file does not parse: it then says nothing.
    """
    waiting: list[Node] = []
    with suppress(YamlError):
        waiting += documents(content)
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node.entries) not in seen:
            seen.add(id(node.entries))
            waiting += node.items()
            if node.kind is NodeKind.MAPPING:
                yield from node.entries
