"""Gap sql: each defect is found and mended once, and its look-alikes are left alone."""

from __future__ import annotations

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.sql import GAP
from closeout.model import NO_CRITERION, Finding, Reason, Tree
from closeout.resources import BUNDLE

_HOME = "cloud-layer/cloud-data-pipeline"
_MODEL = f"{_HOME}/models/marts/analytics/fact_batch_cohort.sql"
_PROJECT = b"""name: p
profile: p
seeds:
  p:
    kpi:
      +column_types: {deaths: integer, feed: "numeric(12, 3)"}
"""


def _tree(model: bytes, **more: bytes) -> MemoryTree:
    files = {path.replace("__", "/") + ".sql": content for path, content in more.items()}
    return MemoryTree(
        {
            f"{_HOME}/dbt_project.yml": _PROJECT,
            _MODEL: model,
            **{f"{_HOME}/{path}": content for path, content in files.items()},
        }
    )


def _findings(tree: Tree) -> list[Finding]:
    return [finding for check in rules.checks(GAP, tree) for finding in check.findings]


def _fixed(tree: Tree) -> Overlay:
    return Overlay(tree, [edit for change in GAP.fix(tree) for edit in change.edits])


def _mended(model: bytes) -> bytes:
    return _fixed(_tree(model)).read(_MODEL) or b""


def test_detect_finds_both_named_lines_of_the_reference() -> None:
    """The order's two defects stand on the order's lines; unnamed siblings are told apart."""
    found = _findings(DiskTree(BUNDLE / "reference/farmiq"))
    lines = {(item.rule, item.line) for item in found if item.named}
    assert ("unbalanced-parenthesis", 31) in lines
    assert ("unknown-function", 48) in lines
    unnamed = {item.rule for item in found if not item.named}
    assert unnamed == {"quoted-timestamp", "integer-division"}


def test_derive_closes_the_reference_and_a_second_time_changes_nothing() -> None:
    """After the fix every model was read and nothing is open; the fix of the fix is empty."""
    fixed = _fixed(DiskTree(BUNDLE / "reference/farmiq"))
    assert _findings(fixed) == []
    assert all(check.examined for check in rules.checks(GAP, fixed))
    assert GAP.fix(fixed) == ()


def test_derive_restores_the_order_s_parenthesis_literally() -> None:
    """Only the one parenthesis is added where no count can be lost."""
    before = b"select 1.0 - (SUM(a)::FLOAT / NULLIF(SUM(b), 0) as survival_rate, 1 as x"
    after = b"select 1.0 - (SUM(a)::FLOAT / NULLIF(SUM(b), 0)) as survival_rate, 1 as x"
    assert _mended(before) == after


def test_derive_keeps_the_duration_column_s_name() -> None:
    """Only the expression changes: dashboards read the column by its name."""
    before = b"select DATEDIFF('day', t.a, t.b) as batch_age_days from t"
    after = b"select {{ dbt.datediff('t.a', 't.b', 'day') }} as batch_age_days from t"
    assert _mended(before) == after


def test_derive_keeps_line_endings_and_every_other_byte() -> None:
    """CRLF, trailing blanks, foreign letters and the missing final newline stay."""
    before = "-- ไก่ \r\nselect  \r\n    DATEDIFF(day, a, b) as d\r\nfrom t".encode()
    after = before.replace(b"DATEDIFF(day, a, b)", b"{{ dbt.datediff('a', 'b', 'day') }}")
    assert _mended(before) == after


def test_derive_mends_one_defect_inside_another() -> None:
    """A sum inside a call is mended before the call swallows it."""
    mended = _mended(b"select DATEDIFF(day, MIN(a), MAX(b) + SUM(deaths + culls)) as d from t")
    assert b"SUM(COALESCE(deaths, 0) + COALESCE(culls, 0))', 'day') }}" in mended


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"SUM(deaths) / COUNT(*)", b"SUM(deaths)::numeric / COUNT(*)"),
        (b"COUNT(a) / NULLIF(COUNT(*), 0)", b"COUNT(a)::numeric / NULLIF(COUNT(*), 0)"),
        (b"'{{ dbt.current_timestamp() }}'", b"{{ dbt.current_timestamp() }}"),
        (b"SUM(t.deaths + t.culls)", b"SUM(COALESCE(t.deaths, 0) + COALESCE(t.culls, 0))"),
    ],
)
def test_derive_mends_what_gives_a_wrong_figure(before: bytes, after: bytes) -> None:
    """These run in PostgreSQL and are wrong; each has one right answer."""
    assert _mended(b"select " + before + b" as x from t") == b"select " + after + b" as x from t"


_SAFE = b"SUM(COALESCE(deaths, 0) + COALESCE(culls, 0)) as lost"
_TOTALS = b"with s as (select SUM(deaths) as died, SUM(t.culls) as culled, %s from t)\nselect "


@pytest.mark.parametrize("summed", [_SAFE, b"SUM(deaths + culls) as lost"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"(died + culled)::float / 2 as a from s",
            b"(COALESCE(died, 0) + COALESCE(culled, 0))::float / 2 as a from s",
        ),
        (
            b"s.culled + s.died as a from s",
            b"COALESCE(s.culled, 0) + COALESCE(s.died, 0) as a from s",
        ),
        (
            b"1 - (deaths + t.culls) as a from t",
            b"1 - (COALESCE(deaths, 0) + COALESCE(t.culls, 0)) as a from t",
        ),
        (
            b"SUM(deaths) + SUM(culls) as a from t",
            b"COALESCE(SUM(deaths), 0) + COALESCE(SUM(culls), 0) as a from t",
        ),
    ],
)
def test_derive_adds_counts_alike_in_all_expressions_of_a_model(
    summed: bytes, before: bytes, after: bytes
) -> None:
    """Where one expression knows the losses of a batch, the other one says no NULL of it."""
    assert _mended(_TOTALS % summed + before) == _TOTALS % _SAFE + after


@pytest.mark.parametrize(
    "model",
    [
        _TOTALS % b"SUM(feed) as fed" + b"died + culled as a from s",
        _TOTALS % _SAFE + b"died + feed as a from s",
        _TOTALS % _SAFE + b"died * culled as a from s",
        _TOTALS % _SAFE + b"COALESCE(died, 0) + COALESCE(culled, 0) as a from s",
        _TOTALS % _SAFE + b"died(1) + culled as a from s",
        _TOTALS % _SAFE + b"SUM(deaths) over () + SUM(culls) over () as a from t",
        _TOTALS % _SAFE + b"died + died as a from s",
        _TOTALS % _SAFE + b"1 - died + culled as a from s",
        _TOTALS % _SAFE + b"died + culled * 2 as a from s",
    ],
)
def test_detect_leaves_other_additions_alone(model: bytes) -> None:
    """Nothing else of the model says that a NULL counts as none there."""
    assert _findings(_tree(model)) == []


@pytest.mark.parametrize(
    "model",
    [
        b"select 1 as a -- DATEDIFF('day', a, b)",
        b"select 'DATEDIFF(day, a, b)' as a",
        b"select {{ dbt.datediff('a', 'b', 'day') }} as d from t",
        b"select {{ datediff('a', 'b', 'day') }} as d from t",
        b"{% raw %} DATEDIFF('day', a, b) {% endraw %} select 1 as a",
        b"select tools.datediff('day', a, b) as d from t",
        b"select SUM(feed) / COUNT(*) as a from t",
        b"select SUM(deaths)::float / COUNT(*) as a from t",
        b"select 100.0 * SUM(deaths) / COUNT(*) as a from t",
        b"select SUM(unknown) / COUNT(*) as a from t",
        b"select SUM(COALESCE(deaths, 0) + COALESCE(culls, 0)) as a from t",
        b"select SUM(feed + water) as a from t",
        b"select SUM(deaths) as a from t",
        b"select '{{ run_started_at }}' as a, '{{ var(\"day\") }}'::date as b",
        b"-- '{{ dbt.current_timestamp() }}'\nselect 1 as a",
    ],
)
def test_detect_leaves_look_alikes_alone(model: bytes) -> None:
    """Comments, strings, macros, schemas and what is right already never fire."""
    tree = _tree(model)
    assert _findings(tree) == []
    assert GAP.fix(tree) == ()


def test_detect_leaves_a_function_of_the_project_alone() -> None:
    """A project that creates its own datediff in the database may call it."""
    macro = b"{% macro m() %} create or replace function datediff(u text, a date) {% endmacro %}"
    assert _findings(_tree(b"select DATEDIFF('day', a, b) as d", macros__m=macro)) == []


def test_detect_leaves_sums_alone_where_an_earlier_model_fills_the_nulls() -> None:
    """Already fixed another way: staging gives the counts a default."""
    staging = b"select COALESCE(deaths, 0) as deaths, coalesce(culls, 0) as culls from s"
    assert _findings(_tree(b"select SUM(deaths + culls) as n", models__stg=staging)) == []


@pytest.mark.parametrize(
    "model",
    [
        b"select DATEDIFF(b, a) as d from t",
        b"select DATEDIFF('dd', a, b) as d from t",
        b"select DATEDIFF('day', {{ a }}, b) as d from t",
        b"select DATEADD(day, 1, a) as d from t",
        b"select (a + b * c",
    ],
)
def test_derive_refuses_what_has_more_than_one_right_answer(model: bytes) -> None:
    """The place is a finding with advice, and no byte changes."""
    tree = _tree(model)
    (change,) = GAP.fix(tree)
    assert change.edits == ()
    assert {item.reason for item in change.unresolved} == {Reason.AMBIGUOUS}
    assert all(item.hint for item in change.unresolved)
    assert _findings(tree) != []


def test_detect_reports_a_model_that_cannot_be_read_with_its_reason() -> None:
    """An open string blocks that model; it is not edited and not called clean."""
    tree = _tree(b"select 'abc, DATEDIFF(day, a, b)")
    checks = {check.rule: check for check in rules.checks(GAP, tree)}
    (refused,) = checks["unknown-function"].unresolved
    assert refused.reason is Reason.UNPARSABLE
    assert GAP.fix(tree) == ()


_TWO = {"d/models/__init__.py": b"# Models.\n", "d/models/marts/__init__.py": b""}


@pytest.mark.parametrize(
    "files",
    [
        {"d/models/__init__.py": b'"""Models."""\n'},
        {**_TWO, "d/dags/nightly.py": b"from models.marts import orders\n"},
        {**_TWO, "d/dags/nightly.py": b"import pipeline.models.marts\n"},
    ],
)
def test_markers_that_say_something_or_are_imported_are_left_to_a_person(
    files: dict[str, bytes],
) -> None:
    """One with a statement, or two of any kind, stop dbt; what Python needs is not taken away."""
    tree = MemoryTree({"d/dbt_project.yml": _PROJECT, **files})
    markers = [path for path in files if path.endswith("__init__.py")]
    assert [item.rule for item in _findings(tree)] == ["package-beside-models"] * len(markers)
    for change in GAP.fix(tree):
        assert change.edits == ()
        assert "__init__.py" in change.unresolved[0].hint


def test_markers_of_comments_alone_go() -> None:
    """The folder's other files stay, and so does a service's own package of that name."""
    kept = {
        "d/models/a.sql": b"select 1 as a",
        "e/models/__init__.py": b"",
        "e/a.py": b"import models",
    }
    tree = MemoryTree({"d/dbt_project.yml": _PROJECT, **_TWO, **kept})
    fixed = _fixed(tree)
    assert {str(path) for path in fixed.paths()} == {"d/dbt_project.yml", *kept}
    assert _findings(fixed) == []
    assert GAP.fix(fixed) == ()


_SHAPE = b"""{{ config(materialized='view') }}

SELECT
    d.batch,
    day,
    '{{ dbt.current_timestamp() }}'::timestamp as read_at -- when
FROM {{ ref('daily') }} as d
WHERE deaths IS NOT NULL
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY d.batch
    ORDER BY seen DESC
) = 1
"""


def test_qualify_becomes_a_subquery_with_the_same_columns() -> None:
    """Each column is named outside, the rank is not; comments and Jinja stay where they are."""
    assert (
        _mended(_SHAPE)
        == b"""{{ config(materialized='view') }}

SELECT
    batch,
    day,
    read_at
FROM (
SELECT
    d.batch,
    day,
    '{{ dbt.current_timestamp() }}'::timestamp as read_at,
    ROW_NUMBER() OVER (
    PARTITION BY d.batch
    ORDER BY seen DESC
) AS row_rank -- when
FROM {{ ref('daily') }} as d
WHERE deaths IS NOT NULL
) AS ranked
WHERE row_rank = 1
"""
    )


_RANK = "row_number() over (partition by batch order by seen) = 1"


@pytest.mark.parametrize(
    "model",
    [
        "select * from t qualify RANK",
        "select distinct batch from t qualify RANK",
        "select batch, count(*) as n from t group by batch qualify RANK",
        "select batch from t qualify RANK order by batch",
        "select batch, batch as b, upper(batch) from t qualify RANK",
        "select upper(batch) as batch from t qualify RANK",
        "select a.batch, b.batch from a, b qualify RANK",
        "select batch from t qualify max(seen) over (partition by batch) = seen",
        "select batch from t qualify row_number() over w = 1 window w as (order by seen)",
        "select batch from t {% if now %} qualify RANK {% endif %}",
        "select {{ columns() }} from t qualify RANK",
    ],
)
def test_qualify_is_left_where_a_subquery_may_say_something_else(model: str) -> None:
    """Unnamed columns, grouping, equal rows dropped, an alias in the window: a person decides."""
    tree = _tree(model.replace("RANK", _RANK).encode())
    (change,) = GAP.fix(tree)
    assert change.edits == ()
    assert "unknown-clause" in {item.rule for item in _findings(tree)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"a + b as lost, lost * 2 as twice, lost / stock as share",
            b"a + b as lost, (a + b) * 2 as twice, (a + b) / stock as share",
        ),
        (
            b"a + 1 as b, b + 1 as c, c + 1 as d",
            b"a + 1 as b, (a + 1) + 1 as c, ((a + 1) + 1) + 1 as d",
        ),
    ],
)
def test_an_alias_beside_its_definition_is_the_expression_again(
    before: bytes, after: bytes
) -> None:
    """At every use, and where its own expression names another one."""
    assert _mended(b"select " + before + b" from t") == b"select " + after + b" from t"


@pytest.mark.parametrize(
    "model",
    [
        b"select sum(a) as total, max(total) as most from t",
        b"select row_number() over (order by a) as n from t where n = 1",
        b"select sum(a) as total from t where total > 1",
        b"select random() as r, r * 2 as s from t",
        b"select a + " + b"b + " * 400 + b"b as s, s * 2 as u from t",
    ],
)
def test_an_alias_is_left_where_its_expression_may_not_stand(model: bytes) -> None:
    """An aggregate in an aggregate, a window in WHERE, chance, and what nobody would read."""
    (change,) = GAP.fix(_tree(model))
    assert change.edits == ()
    assert "alias" in change.unresolved[0].detail


def test_snapshots_and_singular_tests_are_read_and_generic_ones_are_macros() -> None:
    """PostgreSQL runs them as it runs models."""
    bad = b"select datediff('day', a, b) as d from t"
    tree = _tree(
        b"select 1 as a",
        snapshots__kept=b"{% snapshot kept %}" + bad + b"{% endsnapshot %}",
        tests__assert_days=bad + b" where d < 0",
        tests__generic__near=b"{% test near(model) %}" + bad + b"{% endtest %}",
    )
    found = {(item.path.name, item.rule) for item in _findings(tree)}
    assert found == {("kept.sql", "unknown-function"), ("assert_days.sql", "unknown-function")} | {
        ("assert_days.sql", "lateral-alias")
    }


@pytest.mark.parametrize("content", [b"", b"# models\n\n"])
def test_detect_leaves_a_lone_empty_marker_alone(content: bytes) -> None:
    """Such a file is skipped by dbt; measured with 1.11."""
    tree = MemoryTree({"d/dbt_project.yml": _PROJECT, "d/models/__init__.py": content})
    assert _findings(tree) == []


def test_detect_examines_nothing_without_a_dbt_project() -> None:
    """Models without a project prove nothing: every check says that it looked at nothing."""
    checks = rules.checks(GAP, MemoryTree({"models/a.sql": b"select a from {{ ref('b') }}"}))
    assert checks
    assert all(not check.examined and not check.findings for check in checks)
    plain = MemoryTree({"models/a.sql": b"select DATEDIFF(day, a, b)"})
    assert rules.checks(GAP, plain) == ()


def test_detect_skips_installed_packages() -> None:
    """Another project's models are not ours to judge."""
    tree = MemoryTree(
        {
            "p/dbt_packages/x/dbt_project.yml": b"name: x",
            "p/dbt_packages/x/models/a.sql": b"select ((",
        }
    )
    assert _findings(tree) == []


def test_detect_survives_yaml_that_never_ends() -> None:
    """An alias to itself, and one doubled thirty times, are each read once."""
    doubled = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    hostile = f"a0: &a0 {{name: x, data_type: int}}\n{doubled}b: &b [*b]\n".encode()
    tree = MemoryTree(
        {"d/dbt_project.yml": hostile, "d/models/a.sql": b"select SUM(x) / COUNT(*) as y"}
    )
    assert [finding.rule for finding in _findings(tree)] == ["integer-division"]


def test_settings_that_do_not_parse_block_every_rule_of_the_project() -> None:
    """They may hold the columns, the profile or the folders that the rules go by."""
    files = {path: _tree(b"select 1\n").read(path) or b"" for path in _tree(b"select 1\n").paths()}
    broken = {str(path): content for path, content in files.items()}
    broken[f"{_HOME}/models/schema.yml"] = b"models: [\n"
    checks = rules.checks(GAP, MemoryTree(broken))
    assert {item.path.name for check in checks for item in check.unresolved} == {"schema.yml"}
    assert all(check.unresolved for check in checks)


_UNEVEN = b"select 1 as a\nunion all\nselect 1 as a, 2 as b\n"


@pytest.mark.parametrize(
    ("model", "more", "criterion"),
    [
        (b"select * from {{ ref('stg') }}", {"models__other": _UNEVEN}, NO_CRITERION),
        (b"select * from {{ ref('stg') }}", {"models__stg": _UNEVEN}, "3.3"),
        (
            b"select * from {{ ref('stg') }}",
            {"models__stg": b"select * from {{ ref('p', 'below') }}", "models__below": _UNEVEN},
            "3.3",
        ),
        (_UNEVEN, {}, "3.3"),
        (b"select 1 as a", {"tests__even": _UNEVEN + b"-- {{ ref('stg') }}\n"}, "3.3"),
    ],
)
def test_detect_holds_against_the_order_only_what_its_model_builds_on(
    model: bytes, more: dict[str, bytes], criterion: str
) -> None:
    """A place that a person has to mend is told wherever it stands; elsewhere no box hangs on it.

    The order asks that its model runs: nothing that the model builds on is beside that.
    """
    tree = _tree(model, **more)
    (found,) = _findings(tree)
    assert (found.rule, found.criterion) == ("uneven-union", criterion)
    held = [check for check in rules.checks(GAP, tree) if check.held]
    assert bool(held) is (criterion == "3.3")
    (change,) = GAP.fix(tree)
    assert (change.edits, change.unresolved[0].path) == ((), found.path)
    told = "The order asks nothing of this model."
    is_told = {told in found.message, told in change.unresolved[0].hint}
    assert is_told == {not held}


def test_detect_holds_every_place_where_the_tree_lacks_the_order_s_model() -> None:
    """Nothing is beside a model that is not there."""
    tree = MemoryTree({"p/dbt_project.yml": _PROJECT, "p/models/other.sql": _UNEVEN})
    assert [(item.rule, item.criterion) for item in _findings(tree)] == [("uneven-union", "3.3")]


def test_detect_holds_what_can_be_mended_in_every_model() -> None:
    """A sibling that has one right answer is open until it has got it."""
    share = b"select count(*) filter (where a > 2)::float / count(*) as share from {{ ref('stg') }}"
    tree = _tree(b"select 1 as a", models__other=share)
    assert [(item.rule, item.criterion) for item in _findings(tree)] == [
        ("division-by-zero", "3.3")
    ]
    after = _fixed(tree).read(f"{_HOME}/models/other.sql")
    assert after == share.replace(b"/ count(*)", b"/ NULLIF(count(*), 0)")
    assert _findings(_fixed(tree)) == []
