"""Drifted services as data: how each differs from the reference monorepo, and what must follow.

A gap's cases stand in `<slug>.yml` beside this module. A case takes one service of the reference
monorepo and changes it step by step:

    service: cloud-layer/cloud-inference-server    # the cases' default; a case may name another
    file: app/main.py                              # what a step is about, unless it says `in:`
    steps: []                                      # taken in every case, before its own
    cases:
      - name: another quote style
        expect: fixed                              # or: left alone, refused
        reason: ambiguous                          # with refused: the reason that must be given
        steps:
          - {replace: '["*"]', by: "['*']"}        # must be there; every occurrence
          - {write: app/origins.py, text: ...}     # a new file, or the whole of an old one
          - {rename: app/main.py, to: app/server.py}
          - {remove: app/other.py}
          - {spell: crlf}                          # crlf, lf, tabs, bom, latin-1, no-final-newline
        settings: {target: app.server}             # what the gap's judge wants to know
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from closeout.fs.tree import MemoryTree
from closeout.model import Reason, Tree

_BOM = b"\xef\xbb\xbf"
_KEYS = frozenset(["name", "service", "file", "expect", "reason", "steps", "settings"])


class Outcome(Enum):
    """What a fix did with a variant."""

    FIXED = "fixed"
    REFUSED = "refused"
    LEFT_ALONE = "left alone"
    MISSED = "missed"
    """Open before and after, and nobody said so: never expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way in which a service drifted away from the reference monorepo."""

    gap: str
    name: str
    service: PurePosixPath
    file: PurePosixPath
    """The file that drifted, below the service's folder."""
    expect: Outcome
    reason: Reason | None
    steps: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a case that expects a refusal without its reason, or the other way round."""
        if (self.expect is Outcome.REFUSED) != (self.reason is not None):
            message = f"{self.gap}, {self.name}: a refusal, and nothing else, has a reason"
            raise ValueError(message)


def load(slug: str) -> tuple[Case, ...]:
    """Return the cases of the gap `slug`, in the file's order."""
    import yaml  # noqa: PLC0415 - only the drift matrix pays for it

    document = yaml.safe_load(Path(__file__).with_name(f"{slug}.yml").read_text())
    made = tuple(_case(slug, document, entry) for entry in document["cases"])
    names = [case.name for case in made]
    if len(set(names)) != len(names):
        message = f"{slug}: two cases share a name"
        raise ValueError(message)
    return made


def _case(slug: str, document: Mapping[str, Any], entry: Mapping[str, Any]) -> Case:
    unknown = set(entry) - _KEYS
    if unknown:
        message = f"{slug}, {entry.get('name')}: nobody reads {', '.join(sorted(unknown))}"
        raise ValueError(message)
    reason = entry.get("reason")
    return Case(
        gap=slug,
        name=entry["name"],
        service=PurePosixPath(entry.get("service", document["service"])),
        file=PurePosixPath(entry.get("file", document["file"])),
        expect=Outcome(entry["expect"]),
        reason=None if reason is None else Reason(reason),
        steps=(*document.get("steps", ()), *entry["steps"]),
        settings=entry.get("settings", {}),
    )


def variant(case: Case, reference: Tree) -> MemoryTree:
    """Return the case's service, and nothing else of the monorepo, with every step taken.

    Raises ValueError for a step that finds nothing to change.
    """
    files = {
        str(path): content
        for path in reference.paths()
        if path.is_relative_to(case.service) and (content := reference.read(path)) is not None
    }
    for step in case.steps:
        _take(step, case, files)
    return MemoryTree(files)


def _take(step: Mapping[str, Any], case: Case, files: dict[str, bytes]) -> None:
    place = str(case.service / step.get("in", case.file))
    if "rename" in step:
        files[str(case.service / step["to"])] = files.pop(str(case.service / step["rename"]))
    elif "remove" in step:
        del files[str(case.service / step["remove"])]
    elif "write" in step:
        files[str(case.service / step["write"])] = step["text"].encode()
    elif "spell" in step:
        files[place] = _changed(case, files[place], _SPELLINGS[step["spell"]](files[place]))
    else:
        files[place] = _changed(case, files[place], _replaced(step, case, files[place]))


def _changed(case: Case, before: bytes, after: bytes) -> bytes:
    if before == after:
        message = f"{case.gap}, {case.name}: a step changes nothing"
        raise ValueError(message)
    return after


def _replaced(step: Mapping[str, Any], case: Case, content: bytes) -> bytes:
    ending = b"\r\n" if b"\r\n" in content else b"\n"
    old, new = (str(step[key]).encode().replace(b"\n", ending) for key in ("replace", "by"))
    if old not in content:
        message = f"{case.gap}, {case.name}: {step['replace']!r} is not in {case.file}"
        raise ValueError(message)
    return content.replace(old, new)


def _lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def _tabs(content: bytes) -> bytes:
    return re.sub(rb"(?m)^(?: {4})+", lambda found: b"\t" * (len(found[0]) // 4), content)


_SPELLINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "crlf": lambda content: _lf(content).replace(b"\n", b"\r\n"),
    "lf": _lf,
    "tabs": _tabs,
    "latin-1": lambda content: content.decode().encode("latin-1"),
    "bom": lambda content: _BOM + content,
    "no-final-newline": lambda content: content.rstrip(b"\r\n"),
}
