"""The data pipeline on a real PostgreSQL, before and after the fix."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from closeout.fs import transaction
from closeout.fs.tree import DiskTree
from closeout.gaps.sql import GAP
from closeout.gaps.sql.probing import dbt
from closeout.model import Observation
from closeout.resources import BUNDLE

pytestmark = [pytest.mark.live, pytest.mark.needs("dbt-env")]

_PIPELINE = "cloud-layer/cloud-data-pipeline"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a copy of the reference pipeline in a tree of its own."""
    made = tmp_path / "tree"
    shutil.copytree(BUNDLE / "reference/farmiq" / _PIPELINE, made / _PIPELINE)
    return made


def _program() -> Path:
    return Path(os.environ["CLOSEOUT_DBT_PYTHON"]).with_name("dbt")


def _seen(rows: dbt.Rows) -> dict[str, Observation]:
    return {probe: seen for probe, _, seen in rows}


def test_run_dbt_is_red_before_the_fix_although_compiling_passes(
    root: Path, tmp_path: Path
) -> None:
    """Compiling exits 0 on both defects; PostgreSQL and the figures tell."""
    seen = _seen(dbt.run_dbt(root, tmp_path / "scratch", _program()))
    assert seen["sql.dbt-compile"].passed is True
    red = ("compiled-sql-parses", "dbt-run-empty", "dbt-build", "cohort-values")
    for probe in (*red, "cohort-values-on-timestamps"):
        assert seen[f"sql.{probe}"].passed is False, probe
    assert "holds 'now()'" in seen["sql.farm-summary-values"].observed
    assert "syntax error" in seen["sql.dbt-run-empty"].observed


def test_run_dbt_is_green_after_the_fix(root: Path, tmp_path: Path) -> None:
    """Every step passes and the figures equal those computed from the seeds."""
    transaction.commit(root, [edit for change in GAP.fix(DiskTree(root)) for edit in change.edits])
    seen = _seen(dbt.run_dbt(root, tmp_path / "scratch", _program()))
    assert {probe: item.passed for probe, item in seen.items()} == dict.fromkeys(seen, True)
    assert len(seen) == 10
    told = seen["sql.cohort-values"].observed
    assert "1 of one day, 2 with NULL counts" in told
    assert "gives 0.9785; of the animals placed, 0.8400 survived" in told
    assert "all equal: 5 batches" in seen["sql.cohort-values-on-timestamps"].observed


def test_compile_only_refuses_the_order_s_own_repair(root: Path, tmp_path: Path) -> None:
    """EXTRACT from a difference of dates compiles and parses, and PostgreSQL has no such call."""
    model = root / _PIPELINE / "models/marts/analytics/fact_batch_cohort.sql"
    transaction.commit(root, [edit for change in GAP.fix(DiskTree(root)) for edit in change.edits])
    macro = "{{ dbt.datediff('batch_start_date', 'batch_end_date', 'day') }}"
    order = "EXTRACT(day FROM (batch_end_date - batch_start_date))"
    model.write_text(model.read_text().replace(macro, order))
    seen = _seen(dbt.compile_only(root, tmp_path / "scratch", _program()))
    assert seen["sql.dbt-compile"].passed is True
    assert seen["sql.compiled-sql-parses"].passed is True
    assert seen["sql.dbt-run-empty"].passed is False
    assert "does not exist" in seen["sql.dbt-run-empty"].observed


def test_run_dbt_without_dbt_is_unproven(root: Path, tmp_path: Path) -> None:
    """A missing program is said, with the session that installs it."""
    seen = _seen(dbt.run_dbt(root, tmp_path / "scratch", tmp_path / "no-dbt"))
    assert {item.passed for item in seen.values()} == {None}
    assert all("nox -s dbt" in item.observed for item in seen.values())
