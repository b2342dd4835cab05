"""Find the declarations that an edit leaves without a reader: compilers may refuse those."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice, line_end, line_start
from closeout.parsing.typescript import find, parsed, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMES = ("identifier", "shorthand_property_identifier")
_STATEMENTS = frozenset({"function_declaration", "lexical_declaration", "variable_declaration"})
_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """The splices that drop dead declarations, and a dead import that they cannot drop."""

    splices: tuple[Splice, ...] = ()
    imported: str = ""


def left_unused(content: bytes, splices: Sequence[Splice]) -> Unused:
    """Return what nobody reads any more once `splices` are applied to `content`."""
    names = _names(content)
    gone = [(item.start, item.end) for item in splices]
    dropped: list[Splice] = []
    for _ in range(_ROUNDS):
        within = _within(gone)
        dead = [
            staying[0]
            for nodes in names.in_part_of(gone)
            if len(staying := _two_of(node for node in nodes if not within(node))) == 1
            and len(nodes) > 1
        ]
        statements = [_statement(node) for node in dead]
        for name, statement in zip(dead, statements, strict=True):
            if statement is None:
                continue
            if statement.type == "import_statement":
                if len(_imported(statement)) > 1:
                    return Unused(imported=text_of(name))
            elif statement.type not in _STATEMENTS:
                continue
            start = line_start(content, statement.start_byte)
            end = line_end(content, statement.end_byte)
            gone.append((start, end))
            dropped.append(Splice(start=start, end=end, text=""))
        if not any(statements):
            break
    return Unused(splices=tuple(dropped))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The names of a file in the text's sequence, where each starts, and all of each name."""

    all: Sequence[Node]
    starts: Sequence[int]
    of: Mapping[str, Sequence[Node]]

    def in_part_of(self, spans: Sequence[tuple[int, int]]) -> list[Sequence[Node]]:
        """Return all nodes of each name that stands in one of `spans`: of no other is one gone."""
        found = set()
        for start, end in spans:
            within = slice(bisect_left(self.starts, start), bisect_left(self.starts, end))
            found |= {text_of(node) for node in self.all[within]}
        return sorted((self.of[name] for name in found), key=lambda nodes: nodes[0].start_byte)


@lru_cache(maxsize=4)
def _names(content: bytes) -> _Names:
    nodes = find(parsed(content), *_NAMES)
    of: dict[str, list[Node]] = {}
    for node in nodes:
        of.setdefault(text_of(node), []).append(node)
    return _Names(all=nodes, starts=[node.start_byte for node in nodes], of=of)


def _two_of(nodes: Iterable[Node]) -> list[Node]:
    """Return one node, or two where there are more: no more is asked."""
    return list(islice(nodes, 2))


def _statement(name: Node) -> Node | None:
    """Return the statement that does nothing but declare `name`, or the import it comes from."""
    around = name.parent
    if around is None:
        return None
    if around.type == "function_declaration":
        return around if _is_free(around) else None
    if around.type == "variable_declarator" and around.child_by_field_name("name") == name:
        statement = around.parent
        is_alone = statement is not None and len(statement.named_children) == 1
        return statement if is_alone and statement is not None and _is_free(statement) else None
    while around is not None and around.type.startswith(("import", "named_imports", "namespace")):
        if around.type == "import_statement":
            return around
        around = around.parent
    return None


def _is_free(statement: Node) -> bool:
    """Return whether the statement is neither exported nor a loop's own."""
    around = statement.parent
    return around is not None and around.type in {"program", "statement_block"}


def _imported(statement: Node) -> list[Node]:
    found = find(statement, "import_specifier", "namespace_import")
    clauses = [node for node in statement.named_children if node.type == "import_clause"]
    return [*found, *(node for node in clauses if node.named_children[0].type == "identifier")]


def _within(spans: Sequence[tuple[int, int]]) -> Callable[[Node], bool]:
    """Return the question whether a node lies in one of `spans`, asked of thousands."""
    starts = sorted(start for start, _ in spans)
    reach = list(accumulate((end for _, end in sorted(spans)), max))

    def is_within(node: Node) -> bool:
        before = bisect_right(starts, node.start_byte)
        return before > 0 and node.end_byte <= reach[before - 1]

    return is_within
