"""What takes the place of insert_overwrite, run twice by dbt on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from closeout.fs import transaction
from closeout.fs.tree import DiskTree
from closeout.gaps.sql import GAP
from closeout.harness import databases
from tests.support import dbt_runs

pytestmark = [pytest.mark.live, pytest.mark.needs("dbt-env")]

_CONFIG = "{{ config(materialized='incremental', incremental_strategy='insert_overwrite') }}\n"
_PROJECT = "name: p\nprofile: corpus\nmodels:\n  p:\n    +materialized: table\n"
_LAID = """select farm, hen, day, eggs from (values
    ('a', 1, date '2024-01-01', 2), ('', 1, date '2024-01-01', 3), (null, 1, date '2024-01-01', 4),
    ('a', null, date '2024-01-02', 5), (null, null, date '2024-01-02', 6)
) as laid (farm, hen, day, eggs)
where day > date '{{ var("purged_to", "2023-01-01") }}'
"""
_PER_HEN = """select farm, hen, min(day) as since, sum(eggs) as eggs
from {{ ref('laid') }} group by 1, 2
"""
_PER_DAY = """select *, eggs - lag(eggs) over (partition by farm, hen order by day) as more
from {{ ref('laid') }}
"""
_NO_KEY = "select * from {{ ref('laid') }}"
_SINCE = """{% if is_incremental() %}
where day >= (select coalesce(max(day), '2024-01-01') from {{ this }})
{% endif %}
"""


def _rows(folder: Path, root: Path) -> list[dict[str, int]]:
    """Return how many rows each model has after a run, a second one, and one after a purge."""
    found = []
    with databases.scratch_database(folder) as database:
        for more in ((), (), ("--vars", "{purged_to: '2024-01-01'}")):
            ran = dbt_runs.run(root, database, "run", *more)
            assert ran.ok, ran.out[-3000:]
            counted = "select count(*) as n from corpus."
            found.append(
                {
                    name: int(database.ask(counted + name).out.split()[1])
                    for name in ("per_hen", "per_day", "no_key")
                }
            )
    return found


@pytest.mark.parametrize("mended", [True, False])
def test_a_second_run_adds_no_row_and_a_purge_takes_none(tmp_path: Path, *, mended: bool) -> None:
    """Whatever part of the key is NULL; a list of columns, as it is first thought of, adds rows.

    Only where nothing tells of a key does a purge of the source take the model's rows, as is told.
    """
    root = tmp_path / "tree"
    dbt_runs.write(
        root,
        {
            "dbt_project.yml": _PROJECT,
            "models/laid.sql": _LAID,
            "models/per_hen.sql": _CONFIG + _PER_HEN,
            "models/per_day.sql": _CONFIG + _PER_DAY + _SINCE,
            "models/no_key.sql": _CONFIG + _NO_KEY,
        },
    )
    made = GAP.fix(DiskTree(root))
    assert [item.path.name for change in made for item in change.unresolved] == ["no_key.sql"]
    transaction.commit(root, [edit for change in made for edit in change.edits])
    model = root / "models/per_hen.sql"
    if not mended:
        key = "'row(farm, hen)::text'"
        model.write_text(model.read_text().replace(key, "['farm', 'hen']"))
    per_hen = [5, 5, 5] if mended else [5, 8, 10]
    assert _rows(tmp_path / "server", root) == [
        {"per_hen": per_hen[0], "per_day": 5, "no_key": 5},
        {"per_hen": per_hen[1], "per_day": 5, "no_key": 5},
        {"per_hen": per_hen[2], "per_day": 5, "no_key": 2},
    ]
