"""Begin the data of a work order from its Markdown: match each checkbox with one that is known."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from closeout.model import Criterion, Means, WorkOrder
from closeout.workorders.reader import checkboxes, line_digest

_WORD = re.compile(r"[a-z0-9_]{3,}")
_SLIGHT = frozenset(["the", "and", "all", "are", "has", "have", "for", "with", "from", "that"])
_ALIKE = 0.4
"""The share of words that two checkboxes have in common, of all that either has."""
_TITLE = re.compile(r"^#\s+(?P<title>.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One checkbox of an order, and the known criterion that asks for the same, if any does."""

    number: int
    text: str
    digest: str
    like: Criterion | None
    is_exact: bool

    def __str__(self) -> str:
        """Return the match in one line."""
        if self.like is None:
            return f"{self.number}: left to the operator: {self.text}"
        how = "its line" if self.is_exact else "its words, look it over"
        return f"{self.number}: as {self.like.id}, by {how}: {self.text}"


def matched(text: str, known: WorkOrder) -> tuple[Match, ...]:
    """Return every checkbox of a Markdown text with what is known of its like.

    Raises CloseoutError("order-empty") for a text without a checkbox.
    """
    criteria = [item for item in known.criteria if not item.rests_on]
    by_digest = {item.source_digest: item for item in criteria}
    made = []
    for number, (_, line) in enumerate(checkboxes(text), start=1):
        digest = line_digest(line)
        words = re.sub(r"^- \[[ xX]\]\s+", "", line)
        exact = by_digest.get(digest)
        made.append(
            Match(
                number=number,
                text=words,
                digest=digest,
                like=exact or _nearest(words, criteria),
                is_exact=exact is not None,
            )
        )
    return tuple(made)


def rendered(name: str, text: str, matches: Sequence[Match]) -> bytes:
    """Return the skeleton as TOML."""
    found = _TITLE.search(text)
    head = [
        "# Look over each entry; schemas/order.schema.json describes them.",
        f"id = {json.dumps(name)}",
        f"title = {json.dumps(found['title'] if found else name)}",
        f"source = {json.dumps(hashlib.sha256(text.encode()).hexdigest())}",
    ]
    lines = [line for item in matches for line in _entry(item)]
    return "\n".join([*head, *lines, ""]).encode()


def _entry(item: Match) -> list[str]:
    like = item.like if item.like and not item.like.rests_on else None
    means = like.means if like else Means.OPERATOR
    settled = like.settled_by if like else "say here what an operator does"
    ties = (("rules", like.rules), ("probes", like.probes), ("gates", like.gates)) if like else ()
    return [
        "",
        "[[criterion]]",
        f"id = {json.dumps(str(item.number))}",
        f"line = {json.dumps(item.digest)}",
        f"text = {json.dumps(item.text)}",
        f"means = {json.dumps(means.value)}",
        f"settled-by = {json.dumps(settled)}",
        *(f"{key} = {json.dumps(list(values))}" for key, values in ties if values),
    ]


def _nearest(text: str, known: Iterable[Criterion]) -> Criterion | None:
    words = _words(text)
    others = [(_words(item.text), item) for item in known]
    likes = [(len(words & other) / max(1, len(words | other)), item) for other, item in others]
    best, item = max(likes, key=lambda each: each[0])
    return item if best >= _ALIKE else None


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _SLIGHT
