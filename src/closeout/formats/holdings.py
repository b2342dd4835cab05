"""Say what a tree holds at all: a cluster's manifests, a PostgreSQL. In doubt it holds it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from closeout.formats.declarations import declarations
from closeout.fs.prefilter import holds_in_any_case, matches, question
from closeout.model import Tree

_AUTOMATION = frozenset({".github", ".gitlab", ".circleci", ".closeout"})
_LOCKS = frozenset({"package-lock.json", "pnpm-lock.yaml", "npm-shrinkwrap.json", "uv.lock"})
_OURS = frozenset({"closeout.toml", "noxfile.py", "tasks.py"})
_OBJECT = re.compile(
    rb"(?m)^kind:[ \t]*[\"']?(?:Deployment|StatefulSet|DaemonSet|ReplicaSet|Rollout|Pod|Job|CronJob"
    rb"|Service|Ingress|ConfigMap|Secret|Namespace|Kustomization|HelmRelease|Application"
    rb"|ExternalSecret|(?:Cluster)?SecretStore)\b"
)
_POSTGRES = (b"postgres", b"psycopg", b"asyncpg", b'"pg"', b"timescaledb", b"pgbouncer")
_DIALECT = re.compile(rb"\bpostgres__\w+")
"""A dbt macro's name for one dialect: the project may run on any."""
_NAMING = (
    *(".yml", ".yaml", ".toml", ".json", ".txt", ".in", ".cfg", ".env", ".example", ".conf", ""),
    *(".py", ".ts", ".js", ".mjs", ".cjs", ".mts", ".cts", ".tf", ".tpl", ".sql", ".prisma", ".sh"),
    *(".java", ".kt", ".go", ".rb", ".php", ".cs", ".rs", ".ex", ".exs", ".xml", ".gradle"),
    ".properties",
)


def is_deployed_from(path: PurePosixPath) -> bool:
    """Return whether a file may say what runs: one that only tests or locks does not."""
    return _AUTOMATION.isdisjoint(path.parts) and path.name not in _LOCKS and path.name not in _OURS


_MANIFESTS = question(
    (".yml", ".yaml"), lambda content: matches(content, _OBJECT), is_deployed_from
)


def _speaks_to_postgres(content: bytes) -> bool:
    if not holds_in_any_case(content, _POSTGRES):
        return False
    return holds_in_any_case(_DIALECT.sub(b"", content), _POSTGRES)


_DATABASES = question(_NAMING, _speaks_to_postgres, is_deployed_from)


def has_cluster(tree: Tree) -> bool:
    """Return whether the tree says what runs on Kubernetes: by manifests, charts, closeout.toml."""
    if declarations(tree).get("kubernetes"):
        return True
    charts = (path for path in tree.ending(frozenset({".yaml"})) if path.name == "Chart.yaml")
    return bool(tree.candidates(_MANIFESTS)) or any(True for _ in charts)


def has_postgres(tree: Tree) -> bool:
    """Return whether anything in the tree starts a PostgreSQL or speaks to one."""
    return bool(tree.candidates(_DATABASES))
