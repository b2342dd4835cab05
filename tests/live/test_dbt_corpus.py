"""What only dbt tells about the corpus: it refuses these projects and builds every look-alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from closeout.harness import databases
from tests.support import dbt_runs, sql_corpus
from tests.support.sql_corpus import Case

pytestmark = [pytest.mark.live, pytest.mark.needs("dbt-env")]

_ONLY_DBT = [case for case in sql_corpus.cases("defects") if "dbt" in case]
_BUILT = [
    case
    for case in sql_corpus.cases("near_misses")
    if "target" not in case and "profiles.yml" not in case.get("files", {})
]


def test_dbt_builds_every_look_alike(tmp_path: Path) -> None:
    """All in one project, on a real PostgreSQL: each model ends in success."""
    for case in _BUILT:
        named = {"models/subject.sql": f"models/{case['name'].replace('-', '_')}.sql"}
        files = {named.get(name, name): text for name, text in sql_corpus.files(case).items()}
        dbt_runs.write(tmp_path, files)
    with databases.scratch_database(tmp_path / "server") as database:
        for case in _BUILT:
            assert database.ask(case.get("setup", "select 1")).ok
        dbt_runs.run(tmp_path, database, "deps")
        built = dbt_runs.run(tmp_path, database, "build")
    assert built.ok, built.out[-3000:]
    results = json.loads((tmp_path / "target/run_results.json").read_text())["results"]
    assert len(results) == len(_BUILT) + 1


@pytest.mark.parametrize("case", _ONLY_DBT, ids=lambda case: case["name"])
def test_dbt_refuses_the_defect(case: Case, tmp_path: Path) -> None:
    """The project does not run, and dbt's words name the reason."""
    dbt_runs.write(tmp_path, sql_corpus.files(case))
    with databases.scratch_database(tmp_path / "server") as database:
        seeded = dbt_runs.run(tmp_path, database, "build")
        again = dbt_runs.run(tmp_path, database, "run") if seeded.ok else seeded
    assert not again.ok
    assert case["dbt"] in again.out + again.err
