"""Know the model that the order speaks of, and all that it builds on."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.gaps.sql.columns import REF
from closeout.gaps.sql.project import Project
from closeout.model import Tree

NAMED = PurePosixPath(
    "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql"
)
BESIDE = "The order asks nothing of this model."
"""What is said of a place that no criterion speaks of."""


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
