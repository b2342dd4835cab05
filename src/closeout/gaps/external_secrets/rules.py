"""What has to hold of secrets: the operator, its store, an entry for each, none in the clear."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from closeout.formats import compose, unparsable
from closeout.gaps.external_secrets import detect
from closeout.gaps.external_secrets.detect import Survey
from closeout.gaps.external_secrets.inventory import unread_modules
from closeout.gaps.external_secrets.inventory.literals import unread_manifests
from closeout.gaps.external_secrets.settings import is_clustered
from closeout.model import Located, Rule, Subject, Tree

_NO_VALUE = partial(
    re.compile(r"([A-Z][A-Z0-9_]*['\"\]]?\s*)([:=]|\|\||\?\?|,).*").sub, r"\1\2 ..."
)
"""A line that names a secret may hold its value: an excerpt ends after the name."""

_READ = (
    unparsable.compose_files,
    unparsable.chart_values,
    unread_modules,
    unread_manifests,
)
"""What names secrets: one that cannot be read may hold any."""


SUBJECTS = (
    Subject(
        what="Kubernetes manifest or chart",
        criteria=("10.1", "10.2", "10.4", "M.9"),
        is_in=is_clustered,
    ),
)


_APPLIES: Mapping[str, Callable[[Tree], bool]] = {
    "literals": lambda _: True,
    "examples": lambda tree: bool(compose.files(tree)),
}
"""Rules about what is written out: those hold wherever a tree is deployed to."""


def _rule(name: str, criterion: str, locate: Callable[[Survey], Located]) -> Rule:
    return Rule(
        id=f"external-secrets.{name}",
        criterion=criterion,
        locate=locate,
        excerpt=_NO_VALUE,
        applies=_APPLIES.get(name, is_clustered),
        holds_secrets=name == "literals",
        reads=_READ if criterion == "10.3" else (),
    )


RULES = (
    _rule("installation", "10.1", detect.installation),
    _rule("store", "10.2", detect.store),
    _rule("coverage", "10.3", detect.coverage),
    _rule("references", "10.3", detect.references),
    _rule("listing", "10.3", detect.listing),
    _rule("literals", "10.3", detect.written_out),
    _rule("examples", "10.3", detect.examples),
    _rule("wiring", "10.3", detect.wiring),
    _rule("kustomizations", "10.3", detect.kustomizations),
)
