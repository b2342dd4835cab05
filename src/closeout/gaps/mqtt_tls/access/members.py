"""Tell the users of an access list that are programs of the tree from those that are people."""

from __future__ import annotations

import re
from collections.abc import Iterable

from closeout.formats import compose
from closeout.fs.prefilter import question
from closeout.gaps.mqtt_tls.access.callers import Callers
from closeout.model import Tree

_DEPLOYED = question(
    (".yml", ".yaml"),
    lambda content: b"containers:" in content or b"apiVersion: v2" in content,
    lambda path: "compose" not in path.name and not path.name.startswith("."),
)
_KIND = rb"(?m)^kind:[ \t]*[\"']?(?:Deployment|StatefulSet|DaemonSet|CronJob|Job|Pod|Rollout)\b"


def members(tree: Tree, callers: Callers, users: Iterable[str]) -> frozenset[str]:
    """Return those of `users` that compose or a cluster starts, or whose program dials a broker.

    Anybody else needs a password or a certificate that a person asks for.
    """
    started = {service.name for service in compose.all_services(tree)}
    dialling = {item.path.name for item in callers.dials if not item.who}
    known = {*started, *dialling, *callers.services}
    asked = set(users)
    return frozenset((asked & known) | _deployed(tree, asked - known))


def _deployed(tree: Tree, users: set[str]) -> set[str]:
    found: set[str] = set()
    for path in tree.candidates(_DEPLOYED) if users else ():
        content = tree.read(path) or b""
        for document in re.split(rb"(?m)^---", content):
            if path.name == "Chart.yaml" or re.search(_KIND, document):
                found |= {user for user in users if _is_called(document, user)}
    return found


def _is_called(document: bytes, user: str) -> bool:
    """Return whether a chart, or a workload in its `metadata`, has the name of a user."""
    name = rb"(?m)^(?:metadata:[ \t]*\{[^}\n]*\b|  )?name:[ \t]*[\"']?%s[\"']?[ \t]*(?:[,}#].*)?$"
    return bool(re.search(name % re.escape(user.encode()), document))
