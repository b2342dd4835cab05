"""Gap sql: what takes the place of insert_overwrite leaves each row once and loses none."""

from __future__ import annotations

import pytest

from closeout.engine import rules
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.sql import GAP
from closeout.model import Tree

_HOME = "etl"
_MODEL = f"{_HOME}/models/marts/herd.sql"
_PROJECT = "name: p\nprofile: p\n"
_MARTS = "models:\n  p:\n    marts:\n      +materialized: table\n"
_OVERWRITE = """{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite',
    tags=['nightly']
) }}
"""
_BY_BATCH = """with sums as (
    select farm, upper(batch) as code, sum(deaths) as n from t group by 1, code
)
select s.*, n * 2 as twice from sums s
"""
_SINCE = """
{% if is_incremental() %}
where day >= (
    select coalesce(max(day), '2020-01-01') from {{ this }}
)
{% endif %}
"""
_LOOKS_BACK = """with shifts as (
    select *, lag(eggs) over (partition by hen order by day) as eggs_before
    from {{ ref('laid') }}
)
select * from shifts
"""


def _tree(query: str, *, settings: str = _PROJECT, **more: str) -> MemoryTree:
    files = {f"{_HOME}/models/{name.replace('__', '.')}": text for name, text in more.items()}
    files |= {f"{_HOME}/dbt_project.yml": settings, _MODEL: _OVERWRITE + query}
    return MemoryTree({path: text.encode() for path, text in files.items()})


def _mended(tree: Tree) -> str:
    fixed = Overlay(tree, [edit for change in GAP.fix(tree) for edit in change.edits])
    assert [edit for change in GAP.fix(fixed) for edit in change.edits] == []
    return (fixed.read(_MODEL) or b"").decode()


def _key(text: str) -> str | None:
    """Return the unique_key of a config that deletes and inserts."""
    found = [line.strip() for line in text.splitlines() if "unique_key" in line]
    assert bool(found) is ("incremental_strategy='delete+insert'" in text)
    return found[0].removeprefix("unique_key=").removesuffix(",") if found else None


def test_a_grain_that_may_hold_null_is_compared_as_the_text_of_one_row() -> None:
    """IN finds no NULL: each run would add such a row once more. Nothing else changes."""
    mended = _mended(_tree(_BY_BATCH))
    assert mended == _OVERWRITE.replace(
        "'insert_overwrite',\n",
        "'delete+insert',\n    unique_key='row(farm, code)::text',\n",
    ) + (_BY_BATCH)


_COLUMNS = "models:\n  - name: {}\n    columns:\n"
_TESTED = "      - {{name: {}, {}: [not_null]}}\n"


@pytest.mark.parametrize(
    ("query", "properties"),
    [
        (
            _BY_BATCH,
            _COLUMNS.format("herd")
            + _TESTED.format("farm", "tests")
            + _TESTED.format("code", "data_tests"),
        ),
        (
            "select coalesce(f, 'none') as farm, coalesce(b, 0) as code from t group by 1, 2",
            "",
        ),
        (
            """select farm, b as code from t
            where farm is not null and n > 2 and b is not null group by 1, 2""",
            "",
        ),
    ],
)
def test_a_grain_without_null_is_the_key(query: str, properties: str) -> None:
    """The model's tests say so, or its own query sees to it."""
    assert _key(_mended(_tree(query, schema__yml=properties))) == "['farm', 'code']"


@pytest.mark.parametrize(
    ("query", "properties"),
    [
        (_BY_BATCH, _COLUMNS.format("herd") + _TESTED.format("farm", "tests")),
        (
            _BY_BATCH,
            _COLUMNS.format("hens")
            + _TESTED.format("farm", "tests")
            + _TESTED.format("code", "tests"),
        ),
        ("select coalesce(f, g) as farm, 1 as code from t group by 1, 2", ""),
        ("select farm, code from t where farm is not null or code is not null group by 1, 2", ""),
        (
            """select farm, code from t
            where code is not null {% if var('x') %} and farm is not null {% endif %}
            group by 1, 2""",
            "",
        ),
    ],
)
def test_a_grain_of_which_one_column_may_be_null_is_no_plain_key(
    query: str, properties: str
) -> None:
    """Another model's tests, a COALESCE of columns, OR, and what Jinja may leave out."""
    assert _key(_mended(_tree(query, schema__yml=properties))) == "'row(farm, code)::text'"


def test_a_name_in_quotes_keeps_them_in_the_key() -> None:
    """Dbt writes the key into the query as it is."""
    mended = _mended(_tree('select "Farm", n from t group by "Farm", n'))
    assert _key(mended) == "'row(\"Farm\", n)::text'"


def test_a_key_waits_for_the_parenthesis_that_hides_the_grain() -> None:
    """Both are mended, and the key is the one that GROUP BY states."""
    broken = _BY_BATCH.replace("sum(deaths) as n", "(sum(deaths) as n")
    mended = _mended(_tree(broken))
    assert _key(mended) == "'row(farm, code)::text'"
    assert "(sum(deaths)) as n" in mended


_SUMMED = "with s as (select day, hen, eggs from {{ ref('daily') }} d)\nselect * from s\n"
_JOINED = """with s as (
    select d.on_day as day, h.hen from {{ ref('daily') }} as d left join hens h on h.hen = d.hen
)
select * from s
"""
_NESTED = """select * from (
    select a.day from (select day, sum(eggs) as n from laid group by day) as a join hens on n > 2
) b
"""


@pytest.mark.parametrize(
    "query",
    [
        _LOOKS_BACK + _SINCE,
        _LOOKS_BACK + _SINCE.replace(">=", ">").replace("where day", "where shifts.day"),
        _SUMMED + _SINCE,
        _JOINED + _SINCE,
        _NESTED + _SINCE,
    ],
)
def test_a_model_that_takes_in_whole_days_deletes_and_inserts_whole_days(query: str) -> None:
    """Whatever else of a row is NULL it is there once, and a purged day stays; the block too."""
    daily = "select day, day as on_day, hen, sum(eggs) as eggs from laid group by 1, 2, 3"
    tree = _tree(query, settings=_PROJECT + _MARTS, daily__sql=daily)
    mended = _mended(tree)
    assert _key(mended) == "'day'"
    assert mended.endswith(query)
    assert not [item for change in GAP.fix(tree) for item in change.unresolved]


_ALL = "select day from t"
_NO_DAY = (
    # A row's last change, of which older versions would stay; one that is chosen by it.
    _ALL + _SINCE,
    _LOOKS_BACK.replace("lag(eggs)", "row_number()") + _SINCE,
    _LOOKS_BACK.replace(
        "from {{", ", row_number() over (partition by hen order by day) as n from {{"
    )
    + _SINCE,
    # A day that is made of others, and one that the rows do not keep.
    _LOOKS_BACK.replace("shifts as (", "last as (select max(day) as day from t), shifts as (")
    + _SINCE,
    _LOOKS_BACK.replace("select * from shifts", "select hen from shifts") + _SINCE,
    # More than the days is asked, or asked of something else.
    _LOOKS_BACK + _SINCE.replace("\n)", "\n) and eggs > 2"),
    _LOOKS_BACK + _SINCE.replace("{{ this }}", "{{ ref('daily') }}"),
    _LOOKS_BACK + _SINCE.replace(">=", "<>"),
    _LOOKS_BACK + _SINCE.replace("is_incremental()", "var('since', false)"),
    _LOOKS_BACK + _SINCE.replace("{% endif %}", "{% else %} where eggs > 2 {% endif %}"),
    _LOOKS_BACK + "union all\n" + _LOOKS_BACK.partition(")\n")[2] + _SINCE,
)
_GRAINLESS = (
    "select * from t",
    "select a from t union all select a from u",
    "with s as (select a, count(*) as n from t group by a) select s.* from s join u on u.a = s.a",
    "with s as (select a, count(*) as n from t group by a) select upper(a) as a, n from s",
    "select date(a), count(*) as n from t group by 1",
)


@pytest.mark.parametrize("query", [*_GRAINLESS, *_NO_DAY])
def test_without_a_key_or_a_day_it_is_the_project_s_table_and_that_is_told(query: str) -> None:
    """Where its settings make tables of such models; else a person decides."""
    tree = _tree(query)
    made = [item for check in rules.checks(GAP, tree) for item in check.findings]
    assert "unknown-strategy" in {item.rule for item in made}
    (change,) = [item for item in GAP.fix(tree) if item.unresolved]
    assert change.edits == ()
    tree = _tree(query, settings=_PROJECT + _MARTS)
    (told,) = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert (str(told.path), told.line) == (_MODEL, 3)
    assert "rows whose sources were purged go" in told.detail
    mended = _mended(tree)
    assert mended.startswith("{{ config(\n    materialized='table',\n    tags=['nightly']\n) }}\n")


def test_a_table_keeps_nothing_that_only_an_increment_has() -> None:
    """Its block is never rendered, and PostgreSQL knows no such partitions."""
    query = "select hen, day from {{ ref('laid') }}\n"
    tree = _tree(query + _SINCE, settings=_PROJECT + _MARTS)
    config = _OVERWRITE.replace("    tags", "    partition_by=['farm'],\n    tags")
    tree = MemoryTree(
        {
            **{str(path): tree.read(path) or b"" for path in tree.paths()},
            _MODEL: (config + query + _SINCE).encode(),
        }
    )
    assert _mended(tree) == (
        "{{ config(\n    materialized='table',\n    tags=['nightly']\n) }}\n" + query
    )


@pytest.mark.parametrize(
    "kept",
    [
        "\n-- only what is new\n{% if is_incremental() %}\nwhere day > now()\n{% endif %}\n",
        "\n{% if is_incremental() %} where day > now() {% endif %} limit 3\n",
        "\n{% if is_incremental() and var('x') %}\nwhere day > now()\n{% endif %}\n",
        "\n{% if is_incremental() %}\nwhere a\n{% else %}\nwhere b\n{% endif %}\n",
    ],
)
def test_a_block_that_is_more_than_an_increment_s_stays(kept: str) -> None:
    """One that a comment speaks of, one within a line, another condition, another branch."""
    mended = _mended(_tree(_ALL + kept, settings=_PROJECT + _MARTS))
    assert mended.endswith(_ALL + kept)


def test_a_block_between_other_lines_goes_alone() -> None:
    """What stands before and after it stays as it is."""
    block = "{% if is_incremental() %}\nwhere day > now()\n{% endif %}\n"
    mended = _mended(_tree(f"{_ALL}\n{block}limit 3\n", settings=_PROJECT + _MARTS))
    assert mended.endswith(f"{_ALL}\nlimit 3\n")
