"""The pipeline where its packages cannot be fetched and its sources have no seeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from closeout.fs.tree import DiskTree, digest
from closeout.gaps.sql.probing import dbt
from closeout.model import Observation
from tests.support import unseeded

pytestmark = [pytest.mark.live, pytest.mark.needs("dbt-env")]


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody answer for the hub."""
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:9/")


def _program() -> Path:
    return Path(os.environ["CLOSEOUT_DBT_PYTHON"]).with_name("dbt")


def _seen(rows: dbt.Rows) -> dict[str, Observation]:
    return {probe: seen for probe, _, seen in rows}


def test_run_dbt_supplies_packages_and_sources_and_names_them(tmp_path: Path) -> None:
    """Every step runs on tables made from the models, and nothing is written into the tree."""
    unseeded.write(tmp_path / "tree")
    before = digest(DiskTree(tmp_path / "tree"))
    seen = _seen(dbt.run_dbt(tmp_path / "tree", tmp_path / "scratch", _program()))
    assert {probe: item.observed for probe, item in seen.items() if not item.passed} == {}
    assert len(seen) == 9
    assert "generate_surrogate_key, safe_divide" in seen["sql.dbt-parse"].observed
    told = seen["sql.dbt-run-empty"].observed
    assert "analytics.day_records has no seed; made with 19 rows" in told
    for column in ("record_date date", "animal_count integer", "portion_kg numeric"):
        assert column in told
    assert "fact_batch_cohort 5 rows, then 5" in seen["sql.dbt-build-again"].observed
    assert digest(DiskTree(tmp_path / "tree")) == before


def test_a_macro_without_a_stand_in_is_unproven_by_its_name(tmp_path: Path) -> None:
    """What is not there says nothing of the model; what is wrong besides is told all the same."""
    rotated = "select {{ dbt_utils.pivot('batch_id', ['a']) }} from {{ ref('stg_day_records') }}"
    below = unseeded.FILES["models/marts/fact_batch_cohort.sql"].replace(
        "ref('stg_portions')", "ref('stg_rotated')"
    )
    unseeded.write(
        tmp_path / "tree",
        {
            "models/staging/stg_rotated.sql": rotated,
            "models/marts/fact_batch_cohort.sql": below,
        },
    )
    seen = _seen(dbt.compile_only(tmp_path / "tree", tmp_path / "scratch", _program()))
    for probe in ("sql.dbt-compile", "sql.dbt-run-empty"):
        assert seen[probe].passed is None
        assert "no stand-in for dbt_utils.pivot" in seen[probe].observed
    assert seen["sql.dbt-parse"].passed is True


def test_a_macro_that_the_named_version_lacks_is_red(tmp_path: Path) -> None:
    """dbt_utils 1.1.1 has no current_timestamp: dbt would refuse it with the hub as well."""
    stamped = unseeded.FILES["models/marts/fact_batch_cohort.sql"].replace(
        "batch_id,\n", "batch_id, {{ dbt_utils.current_timestamp() }} as made_at,\n", 1
    )
    unseeded.write(tmp_path / "tree", {"models/marts/fact_batch_cohort.sql": stamped})
    seen = _seen(dbt.compile_only(tmp_path / "tree", tmp_path / "scratch", _program()))
    assert seen["sql.dbt-run-empty"].passed is False
    assert "current_timestamp" in seen["sql.dbt-run-empty"].observed
