"""Read from a service where devices are claimed, and under which names: each tree has its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path

from closeout.fs.tree import DiskTree
from closeout.harness.http import JSON_HEADERS, NoAnswerError, Request, send
from closeout.model import ProbeContext
from closeout.parsing.node_sources import is_source

_USUAL = "/api/v1/provisioning/claim"
_ABOUT = re.compile(r"claim|provision|factory", re.IGNORECASE)
_POSTED = re.compile(r"""\.post\(\s*["'`]([^"'`]*)["'`]([^;\n]*)""")
_MOUNTED = re.compile(r"""\.use\(\s*["'`](/[^"'`]*)["'`]""")
_SERIAL = re.compile(r"\bserial[A-Za-z]*\b")
_CODE = re.compile(r"\bclaim_?[cC]ode\b")
_REFRESH = re.compile(r"\b(?=[A-Z_]*REFRESH)[A-Z_]+_SECRET\b")
_NOT_FOUND = 404
_MOST = 60
"""Places asked for, at most: each costs one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Where devices are claimed, and how a claim calls its parts."""

    path: str = _USUAL
    code: str = "claimCode"
    serials: tuple[str, ...] = field(default=("serialNumber",))


def claims_of(context: ProbeContext, service: str) -> Claims:
    """Return how the running `service` is asked for a claim."""
    return _claims(context.root, service, context.services[service])


def refresh_secret(root: Path, service: str) -> str:
    """Return the variable that holds what `service` signs long-lived tokens with."""
    names = (name for text in _texts(root, service) for name in _REFRESH.findall(text))
    return next(names, "JWT_REFRESH_SECRET")


def _texts(root: Path, service: str) -> list[str]:
    tree = DiskTree(root)
    return [
        (tree.read(path) or b"").decode("utf-8", "replace")
        for path in tree.paths()
        if service in path.parts and is_source(path)
    ]


@lru_cache(maxsize=16)
def _claims(root: Path, service: str, url: str) -> Claims:
    texts = _texts(root, service)
    about = [text for text in texts if _CODE.search(text)]
    serials = tuple(dict.fromkeys(name for text in about for name in _SERIAL.findall(text)))
    codes = [name for text in about for name in _CODE.findall(text)]
    path = next((path for path in _paths(texts) if _is_there(url, path)), _USUAL)
    usual = Claims()
    return Claims(
        path=path,
        code=codes[0] if codes else usual.code,
        serials=serials or usual.serials,
    )


def _paths(texts: list[str]) -> Iterator[str]:
    """Yield the paths that may be the one: what is posted to, below whatever is mounted."""
    posted = {
        path: None
        for text in texts
        for path, rest in _POSTED.findall(text)
        if _ABOUT.search(path + rest)
    }
    mounted = dict.fromkeys(path for text in texts for path in _MOUNTED.findall(text))
    fitting = sorted(mounted, key=lambda path: _ABOUT.search(path) is None)
    found = [f"{above.rstrip('/')}{path}" for above, path in product(["", *fitting], posted)]
    nested = [
        f"{above.rstrip('/')}{below.rstrip('/')}{path}"
        for above, below, path in product(mounted, fitting, posted)
    ]
    yield from list(dict.fromkeys([*found, *nested]))[:_MOST]


def _is_there(url: str, path: str) -> bool:
    request = Request(method="POST", path=path, headers=JSON_HEADERS, body=b"{}")
    try:
        return send(url, request).status != _NOT_FOUND
    except NoAnswerError:
        return False
