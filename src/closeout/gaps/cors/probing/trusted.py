"""The origin of a service's own pages: one that itself lists, its tree has, or the order names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path

from closeout.fs.tree import DiskTree
from closeout.gaps.cors.probing.origins import ALLOWED, Cases
from closeout.gaps.cors.wiring import origins
from closeout.harness.http import exchanges
from closeout.model import Observation, ProbeContext
from closeout.parsing.node_sources import LEFT_OUT, is_source

Questions = Callable[[str], Iterable[tuple[str, str, Cases]]]
"""From a trusted origin to what is asked: a name, what is expected, and the requests."""

_LISTED = re.compile(
    r"""origins?\b[^;{}=\n]{0,60}=?\s*[^;{}=\n\[(]{0,60}[\[(]{1,2}\s*"""
    r"""((?:["'][^"'\n]+["']\s*,?\s*)+)[\])]""",
    re.IGNORECASE,
)
_ORIGIN = re.compile(r"""["'](https?://[\w.-]+(?::\d+)?)/?["']""")
_LOCAL = ("http://localhost", "http://127.0.0.1")


def named(
    service: str, questions: Questions, page: str = ""
) -> Iterator[tuple[str, Callable[[ProbeContext], Observation]]]:
    """Yield the name of each question and what puts it, with the origin that is trusted there.

    `page` is as in `by`.
    """
    for name, _, _ in questions(ALLOWED):
        yield name, partial(_asked, service, questions, page, name)


def _asked(
    service: str, questions: Questions, page: str, name: str, context: ProbeContext
) -> Observation:
    allowed = by(service, context, page)
    asked = {each: (expected, cases) for each, expected, cases in questions(allowed)}
    return exchanges(service, *asked[name])(context)


def by(service: str, context: ProbeContext, page: str = "") -> str:
    """Return the origin that `service` trusts on a developer's machine, as its tree tells.

    `page` is the origin of the tree's pages, where that is known already.
    """
    started = context.settings.get(f"launch.{service}")
    folder = Path(json.loads(started)["folder"]) if started else None
    return _own(folder) or page or _of_tree(context.root)


@lru_cache(maxsize=256)
def _own(folder: Path | None) -> str:
    listed = list(_listed(folder)) if folder else []
    local = (origin for origin in listed if origin.startswith(_LOCAL))
    return next(iter((*local, *listed)), "")


def _listed(folder: Path) -> Iterator[str]:
    """Yield the origins that a service's sources list as such."""
    tree = DiskTree(folder)
    for path in tree.paths():
        if is_source(path) or (path.suffix == ".py" and LEFT_OUT.isdisjoint(path.parts)):
            for found in _LISTED.findall((tree.read(path) or b"").decode("utf-8", "replace")):
                yield from _ORIGIN.findall(found)


@lru_cache(maxsize=2)
def _of_tree(root: Path) -> str:
    return next(iter(origins(DiskTree(root))), ALLOWED)
