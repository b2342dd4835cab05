"""Which columns a query can read: what a project's models, seeds and properties tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

from closeout.formats.manifests import mappings
from closeout.gaps.sql.places import loaded
from closeout.model import Tree
from closeout.parsing import jinja, sql, sql_selects
from closeout.parsing.sql_selects import Query, Select

REF = re.compile(rb"""\bref\(\s*(?:['"]\w+['"]\s*,\s*)?['"](\w+)['"]""")
_Told = TypeVar("_Told")
_VARYING = frozenset(["if", "elif", "else", "endif", "for", "endfor", "call", "endcall"])


def is_varying(content: bytes, tokens: Sequence[sql.Token], branch: Select) -> bool:
    """Tell whether Jinja repeats or chooses parts of the select list."""
    start = tokens[branch.first].start
    after = branch.items[-1].last + 1 if branch.items else branch.first + 1
    end = tokens[after].start if after < len(tokens) else len(content)
    return any(tag.word in _VARYING for tag in jinja.tags(content) if start < tag.start < end)


class Columns:
    """The columns of a project's models and seeds, found when asked for."""

    def __init__(
        self,
        tree: Tree,
        models: Sequence[PurePosixPath],
        seeds: Sequence[PurePosixPath],
        properties: Sequence[PurePosixPath],
    ) -> None:
        """Know where the models, the seeds (CSV) and the properties (YAML) are."""
        self._tree = tree
        self._models = {path.stem: path for path in models}
        self._seeds = {path.stem: path for path in seeds}
        self._properties = tuple(properties)
        self._found: dict[str, frozenset[str] | None] = {}
        self._widths: dict[str, int | None] = {}

    def width(self, name: str) -> int | None:
        """Return how many columns the model or seed `name` has, None where nothing tells."""
        if name in self._seeds:
            return len(self._header(self._seeds[name]))
        if name not in self._widths:
            self._widths[name] = None  # a model that reads itself tells nothing
            reading = self._reading(name)
            self._widths[name] = reading.width(reading.queries[0].branches[0]) if reading else None
        return self._widths[name]

    def of(self, name: str) -> frozenset[str] | None:
        """Return the columns of the model or seed `name`, None where nothing tells."""
        if name in self._seeds:
            return self._header(self._seeds[name])
        if name not in self._found:
            self._found[name] = None  # a model that reads itself tells nothing
            reading = self._reading(name)
            self._found[name] = reading.outputs(reading.queries[0]) if reading else None
        return self._found[name]

    def content(self, name: str) -> bytes | None:
        """Return the model `name` as it stands, None where there is none."""
        return self._tree.read(self._models[name]) if name in self._models else None

    def _reading(self, name: str) -> QueryReading | None:
        content = self.content(name)
        if content is None or jinja.faults(content):
            return None
        try:
            return QueryReading(self, content, sql.tokens(content))
        except sql.UnreadableSqlError:
            return None

    def everywhere(self, path: PurePosixPath, tokens: Sequence[sql.Token]) -> frozenset[str]:
        """Return every name that an unknown input of the model at `path` may have.

        What the model itself and the models that read it make is left out.
        """
        names = {
            sql_selects.plain(tokens[index + 1])
            for index, token in enumerate(tokens[:-1])
            if token.text == "."
        }
        names = names.union(*(self._header(seed) for seed in self._seeds.values()))
        for file in self._properties:
            names |= _source_columns(loaded(self._tree.read(file) or b""))
        later = self._readers_of(path.stem)
        for name in self._models.keys() - later:
            names |= self.of(name) or frozenset()
        return frozenset(names)

    def _readers_of(self, name: str) -> set[str]:
        reads = {
            stem: {found.decode() for found in REF.findall(self._tree.read(path) or b"")}
            for stem, path in self._models.items()
        }
        later = {name}
        while more := {stem for stem, read in reads.items() if read & later} - later:
            later |= more
        return later

    def _header(self, seed: PurePosixPath) -> frozenset[str]:
        first = (self._tree.read(seed) or b"").split(b"\n", 1)[0].decode("utf-8-sig", "replace")
        return frozenset(name.strip().strip('"').lower() for name in first.split(","))


def _source_columns(document: object) -> set[str]:
    """Return the columns that the document's sources declare, in lower case."""
    sources = document.get("sources") if isinstance(document, dict) else None
    tables = [table for source in mappings(sources) for table in mappings(source.get("tables"))]
    return {
        str(column.get("name", "")).lower()
        for table in tables
        for column in mappings(table.get("columns"))
    }


def required(document: object) -> Iterator[tuple[str, str]]:
    """Yield model and column, in lower case, where a properties file tests that it is not NULL."""
    models = document.get("models") if isinstance(document, dict) else None
    for model in mappings(models):
        for column in mappings(model.get("columns")):
            tests = [column.get(key) for key in ("tests", "data_tests")]
            if any("not_null" in found for found in tests if isinstance(found, list)):
                yield str(model.get("name")), str(column.get("name")).lower()


class QueryReading:
    """One model's queries and what they read and give."""

    def __init__(self, columns: Columns, content: bytes, tokens: Sequence[sql.Token]) -> None:
        """Read `content`, cut into `tokens`, in the project of `columns`."""
        self._columns = columns
        self._content = content
        self._tokens = tokens
        self.queries = sql_selects.queries(tokens)
        self._by_opening = {query.opening: query for query in self.queries}
        self._named = {query.name: query for query in self.queries if query.name is not None}
        self._open: set[int] = set()

    def outputs(self, query: Query) -> frozenset[str] | None:
        """Return the query's columns, those of its first branch."""
        found = self._given(query.branches[0] if query.branches else None, self._item_names)
        return None if found is None else frozenset[str]().union(*found)

    def width(self, branch: Select | None) -> int | None:
        """Return how many columns the branch gives, a star what it reads; None: unknown."""
        found = self._given(branch, self._item_width)
        return sum(found) if found else None

    def _given(
        self, branch: Select | None, told: Callable[[Select, sql_selects.Item], _Told | None]
    ) -> list[_Told] | None:
        """Return what is told of each item; None where one tells nothing, or reads the branch."""
        if branch is None or branch.first in self._open:
            return None
        if is_varying(self._content, self._tokens, branch):
            return None
        self._open.add(branch.first)
        found: list[_Told] = []
        for item in branch.items:
            if (each := told(branch, item)) is None:
                break
            found.append(each)
        self._open.discard(branch.first)
        return found if len(found) == len(branch.items) else None

    def _item_names(self, branch: Select, item: sql_selects.Item) -> frozenset[str] | None:
        if self._tokens[item.last].text == "*":
            return self.inputs(branch)
        return None if item.name is None or item.is_open else frozenset([item.name])

    def _item_width(self, branch: Select, item: sql_selects.Item) -> int | None:
        if self._tokens[item.last].text != "*":
            return None if item.is_open else 1
        if len(branch.sources) != 1 or item.last - item.first not in {0, len((".", "*"))}:
            return None
        read = self._meant(branch.sources[0])
        if isinstance(read, str):
            return self._columns.width(read)
        return self.width(read.branches[0]) if read is not None and read.branches else None

    def inputs(self, branch: Select) -> frozenset[str] | None:
        """Return the columns of everything that the branch names after FROM; None: unknown."""
        names: set[str] = set()
        for source in branch.sources:
            read = self._read(source)
            if read is None:
                return None
            names |= read
        return frozenset(names)

    def _read(self, source: sql_selects.SelectSource) -> frozenset[str] | None:
        read = self._meant(source)
        if isinstance(read, str):
            return self._columns.of(read)
        return self.outputs(read) if read is not None else None

    def _meant(self, source: sql_selects.SelectSource) -> Query | str | None:
        """Return the query that FROM names, or the model's name; None for a table."""
        if source.is_query:
            return self._by_opening.get(source.token)
        token = self._tokens[source.token]
        text = self._content[token.start : token.end]
        ref = REF.search(text) if text.startswith(b"{{") else None
        return ref[1].decode() if ref else self._named.get(sql_selects.plain(token))
