"""A gap's rules as values: where to look, and what is wrong there; the engine makes findings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from closeout.model.findings import Unresolved
from closeout.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rule does not hold; what is left out, the rule or the file itself says."""

    path: PurePosixPath
    line: int = 1
    message: str = ""
    excerpt: str | None = None
    """None for the text of the line."""
    named: bool | None = None
    """Whether the order lists it; None where its path tells."""
    rule: str = ""
    """A rule of its own, where one look answers for several."""
    is_beside: bool = False
    """Whether the order's criterion does not speak of it: it is told, and the criterion holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """What a rule looked at, where it does not hold, and what it could not judge."""

    examined: tuple[PurePosixPath, ...]
    places: tuple[Place, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that has to hold on a tree, for one criterion.

    `locate` is given what the gap's `survey` made of the tree, so that several rules share a look.
    """

    id: str
    criterion: str
    locate: Callable[[Any], Located]
    message: str = ""
    named: Collection[PurePosixPath] = ()
    """The files that the order lists."""
    excerpt: Callable[[str], str] = str
    """What may be shown of a line."""
    is_optional: bool = False
    """Says nothing of a tree where it finds nothing to look at."""
    applies: Callable[[Tree], bool] = lambda _: True
    """Whether there is anything on a tree that it could be about; else it is not asked."""
    holds_secrets: bool = False
    """Whether a place may hold a usable secret: what stands on its line is masked everywhere."""
    reads: Collection[Callable[[Tree], tuple[Unresolved, ...]]] = ()
    """What says of a tree which of the files that it reads cannot be judged."""
