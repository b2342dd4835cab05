"""SQL anchors: Jinja is masked, offsets are bytes, a lone parenthesis has a place."""

from __future__ import annotations

import pytest

from closeout.parsing import jinja, sql


def _names(text: str) -> list[str]:
    return [call.name for call in sql.calls(sql.tokens(text.encode()))]


def test_mask_keeps_length_and_newlines() -> None:
    """Whatever Jinja or foreign letters stand there, every offset stays true."""
    content = "-- ไก่\r\n{# a 'quote #}\r\nselect {{ x(')}}') }}, 'ü' {% if a %}\r\n".encode()
    masked = jinja.mask(content)
    assert len(masked) == len(content)
    assert masked.count(b"\r\n") == content.count(b"\r\n")
    assert b"x(" not in masked
    assert masked.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "select 1 -- DATEDIFF(a, b)",
        "select 1 /* DATEDIFF(a, b) */",
        "select 'DATEDIFF(a, b)'",
        "select $$DATEDIFF(a, b)$$",
        "select {{ DATEDIFF(a, b) }}",
        "select {# DATEDIFF(a, b) #} 1",
        "{% set x = DATEDIFF(a, b) %} select 1",
        "{% raw %} DATEDIFF(a, b) {% endraw %} select 1",
    ],
)
def test_calls_ignore_what_is_no_sql(text: str) -> None:
    """A comment, a string and everything of Jinja's own holds no call."""
    assert "DATEDIFF" not in _names(text)


def test_calls_give_argument_spans_in_bytes() -> None:
    """Nested commas and foreign letters before the call do not shift a span."""
    content = "select 'ไก่', datediff('day', f(a, b), {{ c }}) as d".encode()
    (call, _) = [item for item in sql.calls(sql.tokens(content)) if item.name != "SELECT"]
    assert call.name == "DATEDIFF"
    assert [content[start:end] for start, end in call.arguments] == [
        b"'day'",
        b"f(a, b)",
        b"{{ c }}",
    ]
    assert content[call.start : call.end] == b"datediff('day', f(a, b), {{ c }})"


def test_calls_tell_a_function_of_a_schema() -> None:
    """A schema before the name makes it somebody's own function."""
    (call,) = sql.calls(sql.tokens(b"select tools.datediff(a, b)"))
    assert call.qualified


def test_imbalances_places_a_missing_closing_before_its_alias() -> None:
    """The lone parenthesis is the expression's, not the one around the whole query."""
    content = (
        b"with a as (\n  select 1 - (x / nullif(y, 0) as rate,\n    2 as two\n)\nselect * from a"
    )
    (lone,) = sql.imbalances(content)
    assert lone.missing is sql.Side.CLOSING
    assert content[lone.offset :].startswith(b"(x / nullif")
    assert lone.insert_at is not None
    assert content[: lone.insert_at].endswith(b"nullif(y, 0)")


def test_imbalances_names_no_place_where_several_are_possible() -> None:
    """Without an alias nothing says where the group ends."""
    (lone,) = sql.imbalances(b"select (a + b * c")
    assert lone.insert_at is None


def test_imbalances_reports_a_closing_without_an_opening() -> None:
    """A surplus parenthesis is reported where it stands."""
    content = b"select a + b) as c"
    (lone,) = sql.imbalances(content)
    assert (lone.missing, content[lone.offset : lone.offset + 1]) == (sql.Side.OPENING, b")")


@pytest.mark.parametrize(
    "text",
    [
        "select cast(a as int), count(*) filter (where b) from (select 1 as b) t",
        "select {% if x %} f(a {% else %} g(b {% endif %} , c)",
        "select {% if x %} ( {% endif %} a {% if x %} ) {% endif %}",
        "select {% for c in cs %} ({{ c }}), {% else %} (1), {% endfor %} 2",
        "select '(' || \"(\" -- (\n",
    ],
)
def test_imbalances_accepts_what_every_branch_balances(text: str) -> None:
    """Jinja branches are alternatives; parentheses in strings and comments are none."""
    assert sql.imbalances(text.encode()) == ()


def test_tokens_refuse_an_open_string() -> None:
    """Text that cannot be cut into tokens is an error, never a guess."""
    with pytest.raises(sql.UnreadableSqlError):
        sql.tokens(b"select 'abc")
