"""Whether a file still parses in its own language."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.parsing import syntax

_MODEL = PurePosixPath("p/models/a.sql")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"select 1 as a,\n  (2 as b", 2),
        (b"select 1 as a,\n  2) as b", 2),
        (b"select\n  'a", 1),
        (b"select 1\n{% if a %}", 2),
        (b"select 1\n, {{ ref('a' }}", 2),
    ],
)
def test_trouble_names_the_line_of_a_model_that_does_not_close(content: bytes, line: int) -> None:
    """Parentheses, strings and Jinja; the line is where a person must look."""
    found = syntax.trouble(_MODEL, content)
    assert found is not None
    assert found.line == line
    assert found.message


@pytest.mark.parametrize(
    "content",
    [b"", b"select {% if a %}(1{% else %}(2{% endif %})", b"select {{ f(')') }} as a -- ("],
)
def test_trouble_accepts_a_model_that_closes(content: bytes) -> None:
    """Jinja's branches are alternatives, and its own brackets are not SQL's."""
    assert syntax.trouble(_MODEL, content) is None


def test_trouble_leaves_sql_that_is_no_model_alone() -> None:
    """A database's own scripts may be in any dialect, with psql's commands among them."""
    assert syntax.trouble(PurePosixPath("postgres-init/a.sql"), b"\\connect (") is None
