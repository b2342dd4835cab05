"""Make a case that shows a failure as small as it gets in some seconds, and keep it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from tests.fuzz.cases import Case

Item = TypeVar("Item")


def shrunk(case: Case, fails: Callable[[Case], bool], seconds: float) -> Case:
    """Return the smallest case found within `seconds` that still `fails`."""
    end = time.monotonic() + seconds

    def may(smaller: Case) -> bool:
        return time.monotonic() < end and fails(smaller)

    for side in ("root", "home"):
        case = _without_files(case, side, may)
    for side in ("root", "home"):
        for path in sorted(getattr(case, side)):
            case = _without_lines(case, side, path, may)
    return case


def _without_files(case: Case, side: str, may: Callable[[Case], bool]) -> Case:
    def smaller(paths: list[str]) -> Case:
        files: Mapping[str, bytes] = getattr(case, side)
        return _with(case, side, {path: files[path] for path in paths})

    paths = _fewest(sorted(getattr(case, side)), lambda kept: may(smaller(kept)))
    return smaller(paths)


def _without_lines(case: Case, side: str, path: str, may: Callable[[Case], bool]) -> Case:
    def smaller(lines: list[bytes]) -> Case:
        return _with(case, side, {**getattr(case, side), path: b"".join(lines)})

    lines = getattr(case, side)[path].splitlines(keepends=True)
    return smaller(_fewest(lines, lambda kept: may(smaller(kept))))


def _with(case: Case, side: str, files: Mapping[str, bytes]) -> Case:
    return replace(case, root=files) if side == "root" else replace(case, home=files)


def _fewest(items: list[Item], fails: Callable[[list[Item]], bool]) -> list[Item]:
    """Return fewer items that still fail, by leaving out ever smaller runs of them."""
    size = max(1, len(items) // 2)
    while items:
        at = 0
        while at < len(items):
            fewer = items[:at] + items[at + size :]
            if fails(fewer):
                items = fewer
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return items
