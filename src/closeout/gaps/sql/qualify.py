"""QUALIFY as PostgreSQL can say it: the window function named in a subquery, filtered around it."""

from __future__ import annotations

from itertools import count

from closeout.fs.text_edit import Splice, line_start
from closeout.gaps.sql.columns import is_varying
from closeout.gaps.sql.source import ModelSource
from closeout.parsing import jinja, sql_selects
from closeout.parsing.sql_selects import Select

_RANKS = frozenset(["ROW_NUMBER", "RANK", "DENSE_RANK"])
_ENDS = frozenset([")", "UNION", "INTERSECT", "EXCEPT"])
_MORE = frozenset(["GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH"])


def as_subquery(source: ModelSource, word: int) -> tuple[Splice, ...]:
    """Return the edits that say the QUALIFY at token `word` otherwise; none where it is not sure.

    It is sure of a rank that is compared with a number, at the end of a query that names each of
    its columns, groups nothing and drops no equal rows.
    """
    closing, branch = _closing(source, word), source.innermost(word)
    if closing is None or branch is None or not _is_plain(source, branch, word, closing):
        return ()
    tokens = source.tokens
    named = [tokens[item.last] for item in branch.items]
    names = [source.content[token.start : token.end].decode() for token in named]
    start = source.tokens[branch.first].start
    indent = source.text(line_start(source.content, start), start)
    indent = indent if indent.isspace() else ""
    rank, rows = _free(source, "row_rank"), _free(source, "ranked")
    comparison = source.text(tokens[closing + 1].start, tokens[closing + 2].end)
    window = source.text(tokens[word + 1].start, tokens[closing].end)
    after = source.tokens[branch.items[-1].last].end
    listed = f",\n{indent}    ".join(names)
    return (
        Splice(
            start=start, end=start, text=f"SELECT\n{indent}    {listed}\n{indent}FROM (\n{indent}"
        ),
        Splice(start=after, end=after, text=f",\n{indent}    {window} AS {rank}"),
        Splice(
            start=source.tokens[word].start,
            end=source.tokens[closing + 2].end,
            text=f") AS {rows}\n{indent}WHERE {rank} {comparison}",
        ),
    )


def _closing(source: ModelSource, word: int) -> int | None:
    """Return the token that ends the window behind QUALIFY at `word`; None where it is not sure.

    It is where a rank is compared with a number, and that is all there is.
    """
    tokens, closing = source.tokens, source.closing
    first = word + 1
    if first + 1 >= len(tokens) or tokens[first].text.upper() not in _RANKS:
        return None
    over = closing.get(first + 1, len(tokens)) + 1
    if over + 1 >= len(tokens) or tokens[over].text.upper() != "OVER":
        return None
    end = closing.get(over + 1)
    if end is None or end + 2 >= len(tokens):
        return None
    after = tokens[end + 3].text.upper() if end + 3 < len(tokens) else ")"
    is_compared = tokens[end + 1].text in {"=", "<", "<="} and tokens[end + 2].text.isdigit()
    return end if is_compared and after in _ENDS else None


def _is_plain(source: ModelSource, branch: Select, word: int, closing: int) -> bool:
    tokens = source.tokens
    names = [item.name for item in branch.items]
    named = all(name is not None for name in names) and len(set(names)) == len(names)
    if not named or any(item.is_open for item in branch.items):
        return False
    if tokens[branch.first + 1].text.upper() == "DISTINCT":
        return False
    if is_varying(source.content, tokens, branch):
        return False
    level = sql_selects.level(branch.first - 1, word, source.closing)
    words = {sql_selects.first_word(tokens[at]) for at in level}
    made = {item.name for item in branch.items if item.is_alias}
    window = source.words(word + 1, closing - 1)
    start, end = tokens[branch.first].start, tokens[word].start
    return words.isdisjoint(_MORE) and made.isdisjoint(window) and _together(source, start, end)


def _together(source: ModelSource, start: int, end: int) -> bool:
    """Tell whether no `if` or `for` holds the one byte without the other."""
    return all(
        (branch.start <= start < branch.end) == (branch.start <= end < branch.end)
        for branches in jinja.alternatives(source.content)
        for branch in branches
    )


def _free(source: ModelSource, name: str) -> str:
    """Return `name`, or the first one after it that stands nowhere in the model."""
    taken = {sql_selects.plain(token) for token in source.tokens}
    tried = (name if number == 1 else f"{name}_{number}" for number in count(1))
    return next(candidate for candidate in tried if candidate not in taken)
