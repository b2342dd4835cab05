"""What criteria are about: where a tree has nothing of it, they do not apply to the tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from closeout.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Something that a tree may have none of, and the criteria that are then about nothing."""

    what: str
    """As in `the tree has no MQTT broker`."""
    criteria: tuple[str, ...]
    is_in: Callable[[Tree], bool]
    """Says yes in doubt: what cannot be recognised is unproven, and not absent."""

    @property
    def absence(self) -> str:
        """Return why its criteria do not apply to a tree without it."""
        return f"the tree has no {self.what}"
