"""One model, read for PostgreSQL: its tokens and calls, and the project it stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.gaps.sql.project import Project
from closeout.parsing import jinja, sql, sql_selects

_TYPE = re.compile(r"target\.type\s*(==|!=|in|not in)\s*(.+)")
_QUOTED = re.compile(r"['\"](\w+)['\"]")
_POSTGRES = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """One model's bytes, its tokens, and the project it stands in.

    Branches for other databases and Jinja that does not close give no tokens.
    """

    path: PurePosixPath
    content: bytes
    tokens: tuple[sql.Token, ...]
    calls: tuple[sql.SqlCall, ...]
    calls_at: Mapping[int, sql.SqlCall]
    """Byte where a call starts, to the call."""
    project: Project
    starts: Mapping[int, int]
    """Byte where a token starts, to the token's index."""
    ends: Mapping[int, int]
    """Byte where a token ends, to the next token's index."""
    closing: Mapping[int, int]
    """Index of each closed `(`, to that of its `)`."""
    queries: tuple[sql_selects.Query, ...]
    """The whole text first."""
    selects: tuple[sql_selects.Select, ...]
    """Every branch of the queries that is a plain SELECT."""
    imbalances: tuple[sql.Imbalance, ...]

    def text(self, start: int, end: int) -> str:
        """Return the text between two bytes."""
        return self.content[start:end].decode("utf-8", "replace")

    def words(self, first: int, last: int) -> list[str]:
        """Return the names or words of the tokens from `first` to `last`."""
        return [sql_selects.plain(token) for token in self.tokens[first : last + 1]]

    def innermost(self, index: int, *, in_list: bool = False) -> sql_selects.Select | None:
        """Return the SELECT that token `index` stands in, behind its word or `in_list` of it."""
        size = len(self.tokens)
        around = (
            branch
            for query in self.queries
            if query.opening < index < self.closing.get(query.opening, size)
            for branch in query.branches
            if branch is not None and query.opening < branch.first < index
            if not in_list or index <= branch.last
        )
        return max(around, key=lambda branch: branch.first, default=None)


def read(path: PurePosixPath, content: bytes, project: Project) -> ModelSource:
    """Return `content` cut into tokens. Raises UnreadableSqlError where that cannot be done."""
    judged = b"" if jinja.faults(content) else for_postgres(content)
    tokens = sql.tokens(judged)
    calls, queries = tuple(sql.calls(tokens)), sql_selects.queries(tokens)
    return ModelSource(
        path=path,
        content=content,
        tokens=tokens,
        calls=calls,
        calls_at={call.start: call for call in calls},
        project=project,
        starts={token.start: index for index, token in enumerate(tokens)},
        ends={token.end: index + 1 for index, token in enumerate(tokens)},
        closing=sql_selects.partners(tokens),
        queries=queries,
        selects=tuple(each for query in queries for each in query.branches if each is not None),
        imbalances=sql.imbalances(judged),
    )


def for_postgres(content: bytes) -> bytes:
    """Return `content` with blanks where a condition on `target.type` leaves PostgreSQL out."""
    if b"target.type" not in content:
        return content
    dropped = []
    for branches in jinja.alternatives(content):
        taken = False
        for branch in branches:
            answer = _is_postgres(branch.condition) if branch.condition else True
            if taken or answer is False:
                dropped.append((branch.start, branch.end))
            taken = taken or (answer is True and bool(branch.condition))
    return jinja.blank(content, dropped)


def _is_postgres(condition: str) -> bool | None:
    """Return what a lone condition on `target.type` gives on PostgreSQL, None for another one."""
    match = _TYPE.fullmatch(condition)
    names = _QUOTED.findall(match[2]) if match else []
    if match is None or not names or " and " in condition or " or " in condition:
        return None
    return (_POSTGRES in names) == (match[1] in {"==", "in"})
