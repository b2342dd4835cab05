"""Run dbt on a private copy of a project, against a throw-away server and without a network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from closeout import process
from closeout.fs import json_reader
from closeout.fs.tree import DiskTree
from closeout.gaps.sql.probing import cohort
from closeout.harness.databases import Database
from closeout.parsing.yaml_loader import plain

DEADLINE = 180.0
_HUB_DEADLINE = 60.0
_KEPT = ("DBT_PACKAGE_HUB_URL",)
_HOME = PurePosixPath("cloud-layer/cloud-data-pipeline")
_PASSWORD = "DBT_ENV_SECRET_CLOSEOUT"  # noqa: S105 - a variable's name; dbt hides what starts so


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
            _PASSWORD: self.database.password,
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

    def statuses(self) -> Mapping[str, str]:
        """Return each node's status from the last command, by dbt's unique id."""
        try:
            found = json_reader.loads((self.folder / "target/run_results.json").read_bytes())
        except FileNotFoundError:
            return {}
        return {item["unique_id"]: item["status"] for item in found["results"]}

    def relation(self, model: str) -> str | None:
        """Return where the database keeps `model`, quoted for SQL; None without such a model."""
        nodes = (node for node in self.manifest()["nodes"].values() if node["name"] == model)
        return next((node["relation_name"] for node in nodes), None)

    def rows(self, query: str) -> tuple[cohort.Row, ...] | str:
        """Return the query's rows, or the database's message where it fails."""
        asked = self.database.ask(query)
        return cohort.rows(asked.out) if asked.ok else " ".join(asked.err.split())


def home(tree: DiskTree) -> PurePosixPath | None:
    """Return the folder of the tree's dbt project, the order's where there are several."""
    homes = [path.parent for path in tree.paths() if path.name == "dbt_project.yml"]
    homes = [folder for folder in homes if "dbt_packages" not in folder.parts]
    return _HOME if _HOME in homes else next(iter(homes), None)


def absent_packages(tree: DiskTree, home: PurePosixPath) -> tuple[str, ...]:
    """Return the hub and git packages that the project names and that nobody installed."""
    installed = home / "dbt_packages"
    there = {path.relative_to(installed).parts[0] for path in _below(tree, installed)}
    absent = []
    for name in ("packages.yml", "dependencies.yml"):
        try:
            listed = plain(tree.read(home / name) or b"")
        except yaml.YAMLError:
            continue
        entries = listed.get("packages") if isinstance(listed, dict) else None
        for entry in entries or []:
            told = str(entry.get("package") or entry.get("git") or entry.get("tarball") or "")
            if told and told.rsplit("/", 1)[-1].removesuffix(".git") not in there:
                absent.append(told)
    return tuple(absent)


def _below(tree: DiskTree, folder: PurePosixPath) -> list[PurePosixPath]:
    return [path for path in tree.paths() if path.is_relative_to(folder)]


def copy(root: Path, home: PurePosixPath, scratch: Path, dbt: Path, database: Database) -> Pipeline:
    """Copy the project and give it a profile of its own name that reaches the database."""
    tree = DiskTree(root)
    folder, profiles = scratch / "pipeline", scratch / "profiles"
    profiles.mkdir(parents=True)
    for path in _below(tree, home):
        content = tree.read(path)
        if content is not None:
            target = folder / path.relative_to(home)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    _write_profile(folder, profiles, database)
    absolute = dbt.parent.resolve() / dbt.name
    return Pipeline(dbt=absolute, folder=folder, profiles=profiles, database=database)


def install_packages(pipeline: Pipeline, absent: tuple[str, ...]) -> str:
    """Let dbt fetch the packages that are not there; return why they stay `absent`, else ""."""
    lists = [pipeline.folder / name for name in ("packages.yml", "dependencies.yml")]
    if not any(path.exists() for path in lists):
        return ""
    if not absent and (pipeline.folder / "dbt_packages").exists():
        return ""
    fetched = pipeline.run("deps", deadline=_HUB_DEADLINE)
    if fetched.ok or not absent:
        return ""
    return f"dbt packages that are not in the tree and cannot be fetched: {', '.join(absent)}"


def _write_profile(folder: Path, profiles: Path, database: Database) -> None:
    try:
        settings = plain((folder / "dbt_project.yml").read_bytes())
    except yaml.YAMLError:
        settings = None
    name = settings.get("profile", "default") if isinstance(settings, dict) else "default"
    output = {
        "type": "postgres",
        "host": database.host,
        "port": database.port,
        "user": database.user,
        "password": f"{{{{ env_var('{_PASSWORD}') }}}}",
        "dbname": database.name,
        "schema": "analytics",
        "sslmode": database.sslmode,
        "threads": 2,
    }
    profile = {str(name): {"target": "closeout", "outputs": {"closeout": output}}}
    (profiles / "profiles.yml").write_text(json.dumps(profile))
