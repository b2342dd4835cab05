"""What a dbt project's files say that one model alone does not: types, functions, defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.once import once
from closeout.fs.prefilter import matches, question
from closeout.fs.tree import below
from closeout.gaps.sql.columns import REF, Columns, required
from closeout.gaps.sql.packages import Packages, packages
from closeout.gaps.sql.places import loaded
from closeout.gaps.sql.profiles import is_for_postgres
from closeout.model import Tree
from closeout.parsing import sql

NAMED = PurePosixPath(
    "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql"
)
BESIDE = "The order asks nothing of this model."
"""What is said of a place that no criterion speaks of."""

_FOREIGN = frozenset(["dbt_packages", "dbt_modules", "site-packages"])
_REFERS = re.compile(rb"\{\{-?\s*(?:ref|source|config)\s*\(")
_INTEGER = re.compile(r"(?i)(small|big)?int(eger|[248])?|(small|big)?serial")
_MACRO = re.compile(rb"\{%[-+]?\s*(macro|test|data_test|materialization)\b")
_MODELS = question((".sql",), lambda content: matches(content, _REFERS))
_CREATED = re.compile(rb"(?i)\bcreate\s+(?:or\s+replace\s+)?function\s+(?:[\w\"{} ]+\.)?\"?(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A dbt project: its models and what its other files tell about their columns."""

    root: PurePosixPath
    name: str
    models: tuple[PurePosixPath, ...]
    markers: tuple[PurePosixPath, ...]
    """Python package markers beside models, which dbt reads as models."""
    settings: object
    """What `dbt_project.yml` holds."""
    queries: tuple[PurePosixPath, ...]
    """What dbt sends to the database as one query each: models, snapshots, singular tests."""
    scripts: tuple[PurePosixPath, ...]
    """The project's SQL files: models, macros, tests, snapshots, analyses."""
    properties: tuple[PurePosixPath, ...]
    """The project's YAML files, its settings and a profile among them."""
    is_for_postgres: bool
    columns: Columns
    packages: Packages
    integers: frozenset[str]
    """Columns that seeds or properties declare as integers, in lower case."""
    declared: frozenset[str]
    """Columns of which seeds or properties declare a type, in lower case."""
    required: Mapping[str, frozenset[str]]
    """Each model's columns that its properties test for NULL, in lower case."""
    functions: frozenset[str]
    """Functions that the project creates in the database, in upper case."""
    defaulted: frozenset[str]
    """Columns that a model passes on as `COALESCE(column, ...) AS column`, in lower case."""

    def materialized(self, model: PurePosixPath) -> str | None:
        """Return how the project's settings have the model made, None where they do not say."""
        models = self.settings.get("models") if isinstance(self.settings, dict) else None
        level = models.get(self.name) if isinstance(models, dict) else None
        folders = [self.root / name for name in _paths(self.settings, "model-paths", "models")]
        inside = next((folder for folder in folders if model.is_relative_to(folder)), self.root)
        found = None
        for part in (*model.relative_to(inside).with_suffix("").parts, ""):
            if not isinstance(level, dict):
                break
            found = level.get("+materialized", level.get("materialized", found))
            level = level.get(part)
        return found if isinstance(found, str) else None


def has_projects(tree: Tree) -> bool:
    """Return whether the tree has a dbt project, or models of one that is not told."""
    settings = tree.ending(frozenset({".yml", ".yaml"}))
    named = any(path.stem == "dbt_project" for path in settings)
    return named or bool(tree.candidates(_MODELS))


@once
def projects(tree: Tree) -> tuple[Project, ...]:
    """Return every dbt project of `tree`, installed packages left out."""
    return tuple(
        _project(tree, path.parent, below(tree, path.parent))
        for path in tree.ending(frozenset({".yml"}))
        if path.name == "dbt_project.yml" and not _FOREIGN.intersection(path.parts)
    )


def beside(tree: Tree, project: Project) -> frozenset[PurePosixPath]:
    """Return the models that the order's own does not build on; none in a project without it."""
    models = {path.stem: path for path in project.models}
    if NAMED.stem not in models:
        return frozenset()
    built: set[PurePosixPath] = set()
    waiting = [models[NAMED.stem]]
    while waiting:
        path = waiting.pop()
        if path not in built:
            built.add(path)
            names = (name.decode() for name in REF.findall(tree.read(path) or b""))
            waiting += [models[name] for name in names if name in models]
    return frozenset(project.models) - built


def _project(tree: Tree, root: PurePosixPath, paths: list[PurePosixPath]) -> Project:
    own = [path for path in paths if not _FOREIGN.intersection(path.parts)]
    settings = loaded(tree.read(root / "dbt_project.yml") or b"")
    inside = list(_inside(settings, root, own, "model-paths", "models"))
    properties = [path for path in own if path.suffix in {".yml", ".yaml"}]
    documents = [loaded(tree.read(path) or b"") for path in properties]
    declared = [pair for document in documents for pair in _types(document)]
    filled: dict[str, set[str]] = {}
    for document in documents:
        for model, column in required(document):
            filled.setdefault(model, set()).add(column)
    scripts = [path for path in own if path.suffix == ".sql"]
    tables = [path for path in own if path.suffix == ".csv"]
    seeds = list(_inside(settings, root, tables, "seed-paths", "seeds"))
    models = tuple(path for path in inside if path.suffix == ".sql")
    return Project(
        root=root,
        name=_name(settings),
        models=models,
        settings=settings,
        queries=(*models, *_more_queries(tree, settings, root, scripts)),
        markers=tuple(path for path in inside if path.name == "__init__.py"),
        scripts=tuple(scripts),
        properties=tuple(properties),
        is_for_postgres=is_for_postgres(tree, root, settings),
        columns=Columns(tree, models, seeds, properties),
        packages=packages(tree, root, _name(settings)),
        integers=_agreed_integers(declared),
        declared=frozenset(name for name, _ in declared),
        required={model: frozenset(names) for model, names in filled.items()},
        functions=frozenset(
            name.decode().upper()
            for path in scripts
            for name in _CREATED.findall(tree.read(path) or b"")
        ),
        defaulted=frozenset(name for path in models for name in _defaulted(tree, path)),
    )


def _name(settings: object) -> str:
    name = settings.get("name") if isinstance(settings, dict) else None
    return name if isinstance(name, str) else ""


def _inside(
    settings: object, root: PurePosixPath, paths: list[PurePosixPath], key: str, default: str
) -> Iterator[PurePosixPath]:
    """Yield the paths in the folders that the settings name under the key."""
    folders = [root / name for name in _paths(settings, key, default)]
    return (path for path in paths if any(path.is_relative_to(folder) for folder in folders))


def _more_queries(
    tree: Tree, settings: object, root: PurePosixPath, scripts: list[PurePosixPath]
) -> Iterator[PurePosixPath]:
    """Yield the snapshots and the singular tests; a generic test is a macro."""
    for key, default in (("snapshot-paths", "snapshots"), ("test-paths", "tests")):
        for path in _inside(settings, root, scripts, key, default):
            if not _MACRO.search(tree.read(path) or b""):
                yield path


def _paths(settings: object, key: str, default: str) -> list[str]:
    found = settings.get(key) if isinstance(settings, dict) else None
    names = found if isinstance(found, list) else [default]
    texts = (name for name in names if isinstance(name, str))
    return [name for name in texts if ".." not in name and not name.startswith("/")]


def _types(document: object) -> Iterator[tuple[str, str]]:
    """Yield column and type wherever a seed's `column_types` or a column's `data_type` stands.

    A node is read once: YAML aliases can make a small file a huge, even an endless, tree.
    """
    waiting, seen = [document], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            if "name" in node and "data_type" in node:
                yield str(node["name"]).lower(), str(node["data_type"])
            for key, value in node.items():
                if str(key).lstrip("+") == "column_types" and isinstance(value, dict):
                    yield from ((str(name).lower(), str(kind)) for name, kind in value.items())


def _agreed_integers(declared: list[tuple[str, str]]) -> frozenset[str]:
    """Return the columns that are integers wherever they are declared."""
    kinds: dict[str, bool] = {}
    for name, kind in declared:
        kinds[name] = kinds.get(name, True) and _INTEGER.fullmatch(kind.strip()) is not None
    return frozenset(name for name, integer in kinds.items() if integer)


def _defaulted(tree: Tree, path: PurePosixPath) -> Iterator[str]:
    content = tree.read(path) or b""
    if b"coalesce" not in content.lower():
        return
    try:
        sequence = sql.tokens(content)
    except sql.UnreadableSqlError:
        return
    after = {token.end: index + 1 for index, token in enumerate(sequence)}
    for call in sql.calls(sequence):
        if call.name != "COALESCE" or not call.arguments:
            continue
        start, end = call.arguments[0]
        column = content[start:end].decode("utf-8", "replace").split(".")[-1].lower()
        following = [token.text.lower() for token in sequence[after[call.end] :][:2]]
        if following == ["as", column]:
            yield column
