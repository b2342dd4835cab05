"""The origin of a service's own pages: one that itself lists, its tree has, or the order names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path

from closeout.fs.tree import DiskTree
from closeout.gaps.cors.fastapi.variables import VARIABLE
from closeout.gaps.cors.probing.origins import (
    ALLOWED,
    EVIL,
    Cases,
    Question,
    asked,
    not_shared,
)
from closeout.gaps.cors.wiring import origins
from closeout.harness.http import Judge, Request, exchanges, unproven
from closeout.model import Observation, ProbeContext
from closeout.parsing.node_sources import LEFT_OUT, is_source

Questions = Callable[[str], Iterable[Question]]
"""From a trusted origin to what is asked."""

_LISTED = re.compile(
    r"""origins?\b[^;{}=\n]{0,60}=?\s*[^;{}=\n\[(]{0,60}[\[(]{1,2}\s*"""
    r"""((?:["'][^"'\n]+["']\s*(?:,\s*)?)+)[\])]""",
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
    put = {each: (expected, cases) for each, expected, cases in questions(allowed)}
    expected, cases = put[name]
    return exchanges(service, expected, strange(service, context, cases))(context)


def strange(service: str, context: ProbeContext, cases: Cases) -> Cases:
    """Return the questions, without those that an origin of the service's own list would get wrong.

    It may list what looks like another of its origins, as one machine under two names.
    """
    own = frozenset(_listed(_folder(service, context))) - {EVIL}
    return [case for case in cases if case[1] is not not_shared or _origin(case) not in own]


def _origin(case: tuple[Request, Judge]) -> str:
    return next((value for name, value in case[0].headers if name == "Origin"), "")


def by(service: str, context: ProbeContext, page: str = "") -> str:
    """Return the origin that `service` trusts on a developer's machine, as its tree tells.

    `page` is the origin of the tree's pages, where that is known already.
    """
    return _own(_folder(service, context)) or page or _of_tree(context.root)


def configurable(
    service: str, context: ProbeContext, url: str, cases: Cases, seen: Observation
) -> Observation:
    """Return what was seen of a service with another ALLOWED_ORIGINS, if that can say anything.

    One that lists its origins in its sources and reads no such variable is as closed as its list:
    a list that stays as it is answers no question about the variable. Others at `url` stay out.
    """
    if seen.passed is not False or not keeps_a_list(service, context):
        return seen
    closed = [case for case in strange(service, context, cases) if case[1] is not_shared]
    if closed:
        again = asked(url, closed, seen.expected, seen.command)
        if not again.passed:
            return again
    because = f"{service} lists its origins in its own sources, and reads no {VARIABLE}"
    return unproven(expected=seen.expected, command=seen.command, because=because)


def keeps_a_list(service: str, context: ProbeContext) -> bool:
    """Return whether a service lists its origins in its sources, and reads no ALLOWED_ORIGINS."""
    folder = _folder(service, context)
    return bool(_own(folder)) and not _reads_variable(folder)


def _folder(service: str, context: ProbeContext) -> Path | None:
    started = context.settings.get(f"launch.{service}")
    return Path(json.loads(started)["folder"]) if started else None


@lru_cache(maxsize=256)
def _own(folder: Path | None) -> str:
    listed = _listed(folder)
    local = (origin for origin in listed if origin.startswith(_LOCAL))
    return next(iter((*local, *listed)), "")


@lru_cache(maxsize=256)
def _listed(folder: Path | None) -> tuple[str, ...]:
    """Return the origins that a service's sources list as such."""
    texts = _sources(folder) if folder else ()
    lists = (found for text in texts for found in _LISTED.findall(text))
    return tuple(origin for found in lists for origin in _ORIGIN.findall(found))


@lru_cache(maxsize=256)
def _reads_variable(folder: Path | None) -> bool:
    return folder is None or any(VARIABLE in text for text in _sources(folder))


def _sources(folder: Path) -> Iterator[str]:
    tree = DiskTree(folder)
    for path in tree.paths():
        if is_source(path) or (path.suffix == ".py" and LEFT_OUT.isdisjoint(path.parts)):
            yield (tree.read(path) or b"").decode("utf-8", "replace")


@lru_cache(maxsize=2)
def _of_tree(root: Path) -> str:
    return next(iter(origins(DiskTree(root))), ALLOWED)
