"""Take in gaps from elsewhere: installed beside us, or named in a monorepo's closeout.toml."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.formats.declarations import FILE, declarations
from closeout.fs.tree import DiskTree
from closeout.model import Gap

GROUP = "closeout.gaps"
"""The entry points of a distribution that brings gaps."""

_TROUBLES: list[CloseoutError] = []


def found(known: Sequence[Gap]) -> tuple[Gap, ...]:
    """Return the gaps of plugins, in the order of their names; `known` are our own.

    A plugin that cannot be used is left out here, and ends every command: see `assert_usable`.
    Only the monorepo that is worked in, by CLOSEOUT_ROOT or as the current folder, may name
    modules: reading another one runs none of its code.
    """
    taken = {gap.slug for gap in known}
    made: list[Gap] = []
    for name in (*_installed(), *_named()):
        try:
            gap = _loaded(name)
            if gap.slug in taken:
                raise _unusable(name, f"there is a gap {gap.slug} already")
        except CloseoutError as error:
            _TROUBLES.append(error)
            continue
        taken.add(gap.slug)
        made.append(gap)
    return tuple(made)


def assert_usable() -> None:
    """Raise the first error of a plugin that could not be taken in."""
    if _TROUBLES:
        raise _TROUBLES[0]


def signatures() -> list[str]:
    """Return what tells the code of the plugins from any other: its files with size and time."""
    made = []
    for name in (*_installed(), *_named()):
        top = sys.modules.get(name.partition(":")[0].partition(".")[0])
        place = Path((top and top.__file__) or name)
        files = place.parent.rglob("*.py") if place.name == "__init__.py" else [place]
        found = [(str(file), file.stat()) for file in sorted(files) if file.is_file()]
        made += [f"{file} {status.st_size} {status.st_mtime_ns}" for file, status in found]
    return made


def _installed() -> list[str]:
    return sorted({item.value for item in entry_points(group=GROUP)})


def _named() -> Iterator[str]:
    folder = Path(os.environ.get("CLOSEOUT_ROOT") or Path.cwd())
    if (folder / FILE).is_file():
        try:
            yield from declarations(DiskTree(folder)).get("plugins", ())
        except CloseoutError:
            return  # whoever reads the tree is told


@cache
def _loaded(name: str) -> Gap:
    module, _, attribute = name.partition(":")
    try:
        gap = getattr(import_module(module), attribute or "GAP")
    except Exception as error:
        raise _unusable(name, f"{type(error).__name__}: {error}") from error
    if not isinstance(gap, Gap):
        raise _unusable(name, f"it is a {type(gap).__name__} and no closeout.model.Gap")
    lacking = set(gap.criteria) - {item.id for item in gap.brings}
    if not gap.criteria or lacking:
        told = ", ".join(sorted(lacking)) or "any"
        raise _unusable(name, f"it does not bring the criteria {told}")
    return gap


def _unusable(name: str, what: str) -> CloseoutError:
    return CloseoutError(
        "plugin-unusable",
        f"the plugin {name}: {what}.",
        hint="mend or uninstall it; docs/plugins.md shows one that works.",
    )
