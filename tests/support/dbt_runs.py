"""Run dbt on a project of a test's own, beside a scratch database."""

from __future__ import annotations

import json
import os
from pathlib import Path

from closeout import process
from closeout.harness.databases import Database


def run(folder: Path, database: Database, *words: str) -> process.Result:
    """Run a dbt command in the project's folder, which gets a profile where it has none."""
    profile = folder / "profiles.yml"
    if not profile.exists():
        output = {
            "type": "postgres",
            "host": database.server.host,
            "port": database.server.port,
            "user": database.server.user,
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
            "DBT_ENV_SECRET_CORPUS": database.server.password,
            "HOME": str(folder),
        },
        deadline=300.0,
    )


def write(folder: Path, files: dict[str, str]) -> None:
    """Write the files of a project."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
