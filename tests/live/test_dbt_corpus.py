"""What only dbt tells about the corpus: it refuses these projects and builds every look-alike."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from closeout import process
from closeout.harness import databases
from closeout.harness.databases import Database
from tests.support import sql_corpus
from tests.support.sql_corpus import Case

pytestmark = [pytest.mark.live, pytest.mark.needs("dbt-env")]

_ONLY_DBT = [case for case in sql_corpus.cases("defects") if "dbt" in case]
_BUILT = [
    case
    for case in sql_corpus.cases("near_misses")
    if "target" not in case and "profiles.yml" not in case.get("files", {})
]


def _dbt(folder: Path, database: Database, *words: str) -> process.Result:
    profile = folder / "profiles.yml"
    if not profile.exists():
        output = {
            "type": "postgres",
            "host": database.host,
            "port": database.port,
            "user": database.user,
            "password": "{{ env_var('DBT_ENV_SECRET_CORPUS') }}",
            "dbname": database.name,
            "schema": "corpus",
            "threads": 2,
        }
        outputs = {"target": "here", "outputs": {"here": output}}
        profile.write_text(json.dumps({"corpus": outputs}))
    return process.run(
        [Path(os.environ["CLOSEOUT_DBT_PYTHON"]).with_name("dbt"), "--no-use-colors", *words],
        cwd=folder,
        env={
            "DBT_PROFILES_DIR": str(folder),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_ENV_SECRET_CORPUS": database.password,
            "HOME": str(folder),
        },
        deadline=300.0,
    )


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_dbt_builds_every_look_alike(tmp_path: Path) -> None:
    """All in one project, on a real PostgreSQL: each model ends in success."""
    for case in _BUILT:
        named = {"models/subject.sql": f"models/{case['name'].replace('-', '_')}.sql"}
        files = {named.get(name, name): text for name, text in sql_corpus.files(case).items()}
        _write(tmp_path, files)
    with databases.scratch_database(tmp_path / "server") as database:
        for case in _BUILT:
            assert database.ask(case.get("setup", "select 1")).ok
        _dbt(tmp_path, database, "deps")
        built = _dbt(tmp_path, database, "build")
    assert built.ok, built.out[-3000:]
    results = json.loads((tmp_path / "target/run_results.json").read_text())["results"]
    assert len(results) == len(_BUILT) + 1


@pytest.mark.parametrize("case", _ONLY_DBT, ids=lambda case: case["name"])
def test_dbt_refuses_the_defect(case: Case, tmp_path: Path) -> None:
    """The project does not run, and dbt's words name the reason."""
    _write(tmp_path, sql_corpus.files(case))
    with databases.scratch_database(tmp_path / "server") as database:
        seeded = _dbt(tmp_path, database, "build")
        again = _dbt(tmp_path, database, "run") if seeded.ok else seeded
    assert not again.ok
    assert case["dbt"] in again.out + again.err
