"""Run dbt on a private copy of a project, against a throw-away server and without a network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from closeout import process
from closeout.fs import json_reader, writer
from closeout.fs.tree import DiskTree
from closeout.gaps.sql.places import loaded
from closeout.gaps.sql.probing import cohort
from closeout.gaps.sql.project import Project
from closeout.harness.databases import Database

DEADLINE = 180.0
_KEPT = ("DBT_PACKAGE_HUB_URL",)
_HOME = PurePosixPath("cloud-layer/cloud-data-pipeline")
_PASSWORD = "DBT_ENV_SECRET_CLOSEOUT"  # noqa: S105 - a variable's name; dbt hides what starts so


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResult:
    """What came of one node, by dbt's id: `success`, `pass`, `error`, `fail`, `skipped`..."""

    node: str
    status: str
    message: str

    @property
    def name(self) -> str:
        """Return the node's own name: a model's, or a data test's without its digest."""
        return self.node.split(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A private copy of the dbt project beside a scratch database."""

    dbt: Path
    folder: Path
    profiles: Path
    database: Database

    def run(self, *words: str, deadline: float = DEADLINE) -> process.Result:
        """Run a dbt command; earlier results cannot be taken for its own."""
        (self.folder / "target/run_results.json").unlink(missing_ok=True)
        argv: list[str | Path] = [self.dbt, "--no-use-colors", *words]
        env = {
            "DBT_PROFILES_DIR": str(self.profiles),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
            "DBT_TARGET_PATH": "target",
            "DBT_LOG_PATH": "logs",
            "HOME": str(self.profiles),
            _PASSWORD: self.database.server.password,
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
        }
        return process.run(argv, cwd=self.folder, env=env, deadline=deadline, foreign=True)

    def on(self, database: Database) -> Pipeline:
        """Return the same project beside another database; the profile then names that one."""
        _write_profile(self.folder, self.profiles, database)
        return replace(self, database=database)

    def manifest(self) -> Mapping[str, Any]:
        """Return what dbt last wrote of the project's nodes and sources; empty without it."""
        try:
            found = json_reader.loads((self.folder / "target/manifest.json").read_bytes())
        except FileNotFoundError:
            return {"nodes": {}, "sources": {}}
        return dict(found)

    def results(self) -> tuple[NodeResult, ...]:
        """Return what came of each node in the last command; nothing where dbt gave up early."""
        try:
            found = json_reader.loads((self.folder / "target/run_results.json").read_bytes())
        except FileNotFoundError:
            return ()
        return tuple(
            NodeResult(
                node=item["unique_id"], status=item["status"], message=str(item["message"] or "")
            )
            for item in found["results"]
        )

    def relation(self, model: str) -> str | None:
        """Return where the database keeps `model`, quoted for SQL; None without such a model."""
        nodes = (node for node in self.manifest()["nodes"].values() if node["name"] == model)
        return next((node["relation_name"] for node in nodes), None)

    def lineage(self, model: str) -> frozenset[str]:
        """Return dbt's ids of `model`, of all that it builds on, and of their data tests."""
        manifest = self.manifest()
        parents = manifest.get("parent_map", {})
        found: set[str] = set()
        waiting = [name for name, node in manifest["nodes"].items() if node["name"] == model]
        while waiting:
            found.add(name := waiting.pop())
            waiting += [parent for parent in parents.get(name, ()) if parent not in found]
        tests = (name for name in parents if name.startswith(("test.", "unit_test.")))
        return frozenset(found.union(name for name in tests if found.issuperset(parents[name])))

    def counts(self) -> Mapping[str, int]:
        """Return how many rows each model that is kept as a table has."""
        kept = {
            node["name"]: node["relation_name"]
            for node in self.manifest()["nodes"].values()
            if node["config"].get("materialized") in {"table", "incremental"}
        }
        asked = {name: self.rows(f"SELECT count(*) FROM {place}") for name, place in kept.items()}  # noqa: S608 - quoted by dbt
        return {
            name: int(found[0]["count"])
            for name, found in asked.items()
            if not isinstance(found, str)
        }

    def rows(self, query: str) -> tuple[cohort.Row, ...] | str:
        """Return the query's rows, or the database's message where it fails."""
        asked = self.database.ask(query)
        return cohort.rows(asked.out) if asked.ok else " ".join(asked.err.split())


def chosen(found: tuple[Project, ...]) -> Project | None:
    """Return the order's dbt project, the first where it is not there, None where there is none."""
    return next((item for item in found if item.root == _HOME), found[0] if found else None)


def copy(root: Path, home: PurePosixPath, scratch: Path, dbt: Path, database: Database) -> Pipeline:
    """Copy the project and give it a profile of its own name that reaches the database."""
    folder, profiles = scratch / "pipeline", scratch / "profiles"
    profiles.mkdir(parents=True)
    writer.copy_tree(DiskTree(root / home), folder)
    _write_profile(folder, profiles, database)
    absolute = dbt.parent.resolve() / dbt.name
    return Pipeline(dbt=absolute, folder=folder, profiles=profiles, database=database)


def _write_profile(folder: Path, profiles: Path, database: Database) -> None:
    settings = loaded((folder / "dbt_project.yml").read_bytes())
    name = settings.get("profile", "default") if isinstance(settings, dict) else "default"
    output = {
        "type": "postgres",
        "host": database.server.host,
        "port": database.server.port,
        "user": database.server.user,
        "password": f"{{{{ env_var('{_PASSWORD}') }}}}",
        "dbname": database.name,
        "schema": "analytics",
        "sslmode": database.sslmode,
        "threads": 2,
    }
    profile = {str(name): {"target": "closeout", "outputs": {"closeout": output}}}
    (profiles / "profiles.yml").write_text(json.dumps(profile))
