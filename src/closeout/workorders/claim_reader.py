"""Read what a document claims: ticked boxes, lines marked as done, files said to be made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from closeout.errors import CloseoutError
from closeout.model import WorkOrder
from closeout.workorders.reader import line_digest

_TICKED = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[[xX]\]\s+(?P<text>\S.*)$")
_UNTICKED = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[ \]")
_FENCE = re.compile(r"^\s*(```|~~~)")
_NUMBER = re.compile(r"^\W*(?P<id>(?:\d{1,2}|M|D)\.\d{1,2})\b")
_CREATED = re.compile(r"\b(?:created?|added?|adds|wrote|written|new)\b", re.IGNORECASE)
_PATH = re.compile(r"`(?P<path>(?:[\w.@-]+/)+[\w.@-]+\.\w{1,10})`")
_TRAILERS = (
    re.compile(r"\*\*|__"),
    re.compile(r"[^\w\s)>%`]+\s*$"),
    re.compile(
        r"\s+[-\u2013\u2014:(]\s*(?:done|completed?|verified|fixed|100\s*%)\W*$", re.IGNORECASE
    ),
)
"""What people add to a box when they tick it: bold face, check marks, the word done."""
_STRUCTURED = re.compile(r"^\s*(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|\|)")
"""A heading, an item of a list or a row of a table: elsewhere people tell rather than claim."""
_MARKED = re.compile(
    r"[\u2705\u2714\u2611]"
    r"|(?:^|[|:(\u2013\u2014-])[\s*_]*"
    r"(?:100\s*%|(?:completed?|done|fixed|closed|resolved|implemented|verified)\b)[\s*_!.)|]*(?:$|\|)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"[\u274c\u26a0]|\b(?:not|no|todo|pending|partial(?:ly)?|in progress|open)\b", re.IGNORECASE
)
_ISSUE = re.compile(
    r"(?:\b(?:issue|gap|task|item)\s*#?\s*|^\W*(?:#{1,6}\s+|\|\s*#?))(?P<issue>\d{1,2})\b(?!\.\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line that claims something.

    `criteria` are those of the order that it is about, none where it is not understood; a line
    about a whole issue names all of the issue's. `path` is a file that is said to be there.
    """

    line: int
    text: str
    criteria: tuple[str, ...] = ()
    path: str = ""


def read(text: str, order: WorkOrder) -> tuple[Claim, ...]:
    """Return what a Markdown text claims, by line, each claim with the criteria that it is about.

    A claim is a ticked box, or a heading, an item or a row that is marked as done; and a file that
    a line says was made. A box is known by the digest of its line, without what people add to it,
    or by the criterion's id in front of it; other lines by an id or an issue's number. Raises
    CloseoutError("claims-none") where nothing of the order is claimed.
    """
    by_digest = {item.source_digest: item.id for item in order.criteria}
    known: dict[str, tuple[str, ...]] = {item.id: (item.id,) for item in order.criteria}
    issues = {
        number: tuple(item for item in known if item.startswith(f"{number}."))
        for number in order.issues
    }
    found = []
    for number, line in _prose(text):
        box = _TICKED.match(line)
        claimed = box["text"] if box else _marked(line)
        if claimed:
            about = known.get(_criterion(claimed, by_digest, set(known)), ())
            about = about or (() if box else issues.get(_issue(line), ()))
            found.append(Claim(line=number, text=claimed, criteria=about))
        found += [Claim(line=number, text=line.strip(), path=path) for path in _made(line)]
    if not any(item.criteria for item in found):
        raise CloseoutError(
            "claims-none",
            f"the file ticks no box of {order.id} ({ticked(text)} ticked in all).",
            hint="name the order's file or a completion report with its boxes: - [x] ...",
        )
    return tuple(found)


def ticked(text: str) -> int:
    """Return how many boxes are ticked in a Markdown text."""
    return sum(_TICKED.match(line) is not None for _, line in _prose(text))


def _marked(line: str) -> str:
    """Return what a line that is marked as done says, nothing for any other line."""
    is_claim = _STRUCTURED.match(line) and _MARKED.search(line) and not _DENIED.search(line)
    return line.strip().strip("#|*-+ ") if is_claim and not _UNTICKED.match(line) else ""


def _issue(line: str) -> int:
    named = _ISSUE.search(line)
    return int(named["issue"]) if named else 0


def _made(line: str) -> Iterator[str]:
    """Yield the files that a line says were created."""
    if not _UNTICKED.match(line) and (_TICKED.match(line) or _CREATED.search(line)):
        for match in _PATH.finditer(line):
            yield match["path"]


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines outside code fences: an example claims nothing."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def _criterion(text: str, by_digest: Mapping[str, str], known: set[str]) -> str:
    for wording in _wordings(text.strip()):
        found = by_digest.get(line_digest(f"- [ ] {wording}"))
        if found:
            return found
    numbered = _NUMBER.match(text)
    return numbered["id"] if numbered and numbered["id"] in known else ""


def _wordings(text: str) -> Iterator[str]:
    yield text
    for trailer in _TRAILERS:
        text = trailer.sub("", text).strip()
        yield text
