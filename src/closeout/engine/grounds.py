"""The sentences in which a ruling gives its ground.

Each counts what was examined, what is open and what was not judged; none says of all places what
is known of some.
"""

from __future__ import annotations

from collections.abc import Sequence

from closeout.model import Finding, ProofKind, Unresolved
from closeout.model.verdicts import Evidence

_SHOWN = 3
"""Open places that a ground names; the report's findings hold all of them."""


def closed(asked: Sequence[Evidence], answered: Sequence[Unresolved] = ()) -> str:
    """Return why a criterion is closed: its passing evidence, and what that says of `answered`."""
    proofs = sum(item.kind is ProofKind.PROOF for item in asked)
    holding = "1 check holds" if len(asked) == 1 else f"{len(asked)} checks hold"
    told = f"{holding}, {proofs} of them red before the fix"
    return f"{told}. {_asking(asked, answered)}" if answered else told


def _asking(asked: Sequence[Evidence], answered: Sequence[Unresolved]) -> str:
    """Return which answer settles each place that reading could not."""
    seen = {item.probe: item.observed for item in asked}
    return "; ".join(
        f"{item.path}:{item.line} could not be judged by reading, and "
        + ", ".join(f"{name} saw {seen[name]}" for name in item.probes if name in seen)
        for item in answered
    )


def guarded(answered: Sequence[Unresolved]) -> str:
    """Return why green answers do not settle what reading cannot tell."""
    names = dict.fromkeys(name for item in answered for name in item.probes)
    return (
        f"{', '.join(names)} passed before the fix too, which does not prove what cannot be read: "
        f"{places(answered)}"
    )


def failing(fresh: Sequence[Evidence], refused: Sequence[Unresolved] = ()) -> str:
    """Return which probes fail, the first one in full, and what was not judged beside them."""
    failed = [item for item in fresh if item.passed is False]
    told = f"{failed[0].probe}: expected {failed[0].expected}; saw {failed[0].observed}"
    beside = f"; not judged by reading: {places(refused)}" if refused else ""
    total = f"{len(fresh)} probe{'s' * (len(fresh) != 1)}"
    return f"{len(failed)} of {total} fail{'s' * (len(failed) == 1)}. {told}{beside}"


def open_places(found: Sequence[Finding], refused: Sequence[Unresolved]) -> str:
    """Return which places are open; where the order names none of them, how those stand."""
    others = "" if any(item.named for item in found) else _others(refused)
    told = "; ".join(f"{item.path}:{item.line} {item.message}" for item in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{others}{len(found)} open: {told}{more}"


def _others(refused: Sequence[Unresolved]) -> str:
    count = len(dict.fromkeys(refused))
    found = f"found open, and {count} not judged" if count else "open"
    return f"of the places that the order names none is {found}; of others "


def places(refused: Sequence[Unresolved]) -> str:
    """Return every refused place with its reason."""
    return "; ".join(
        f"{item.path}:{item.line} {item.reason.value}: {item.detail}" for item in refused
    )
