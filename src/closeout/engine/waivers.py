"""Read `waivers.toml` of the target: what somebody accepts as it is, for a time.

An entry accepts one criterion (`criterion = "9.2"`), one finding (`finding = "gap/rule path"`) or
one probe (`probe = "headers.docs-render@service"`), whatever it is about.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from closeout.errors import CloseoutError
from closeout.fs import codec
from closeout.model import Tree
from closeout.model.verdicts import Ruling, Waiver

FILE = "waivers.toml"
SOON = timedelta(days=14)
"""A waiver with less time left than this is warned of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    who: str
    why: str
    when: Any
    until: Any
    criterion: str = ""
    finding: str = ""
    probe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    waiver: tuple[_Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The waivers in force, by what they accept, and what there is to say of the others."""

    in_force: Mapping[str, Waiver]
    notices: tuple[str, ...] = ()


def load(tree: Tree, today: date) -> Register:
    """Return the waivers of the tree as they stand on `today`.

    A lapsed or unreadable date counts as expired. Raises CloseoutError("waivers-unusable") for a
    file that is no TOML, or an entry that lacks its subject, who, when, why or until.
    """
    content = tree.read(FILE)
    if content is None:
        return Register(in_force={})
    try:
        read = codec.convert(_File, tomllib.loads(content.decode()))
        waivers = [_waiver(entry) for entry in read.waiver]
    except (ValueError, RecursionError) as error:
        raise CloseoutError(
            "waivers-unusable",
            f"{FILE}: {error}",
            hint="give each [[waiver]] one of criterion, finding, probe; and who, when, why and "
            "until = YYYY-MM-DD.",
        ) from error
    return Register(
        in_force={item.subject: item for item in waivers if item.until >= today},
        notices=tuple(notice for item in waivers for notice in _notices(item, today)),
    )


def unused(register: Register, rulings: Iterable[Ruling]) -> tuple[str, ...]:
    """Return a notice for every waiver in force that no ruling needed."""
    made = list(rulings)
    needed = {ruling.waiver.subject for ruling in made if ruling.waiver is not None}
    needed |= {waiver.subject for ruling in made for waiver in ruling.allowed}
    return tuple(
        f"waiver of {subject} is not needed any more"
        for subject in register.in_force
        if subject not in needed
    )


def _notices(item: Waiver, today: date) -> list[str]:
    if item.until < today:
        when = "on a date that cannot be read" if item.until == date.min else f"on {item.until}"
        return [f"waiver of {item.subject} by {item.who} expired {when}"]
    if item.until - today <= SOON:
        days = (item.until - today).days
        return [f"waiver of {item.subject} by {item.who} ends in {days} days"]
    return []


def _waiver(entry: _Entry) -> Waiver:
    subjects = [subject for subject in (entry.criterion, entry.finding, entry.probe) if subject]
    if len(subjects) != 1:
        message = f"an entry names {len(subjects)} of criterion, finding and probe instead of one"
        raise ValueError(message)
    return Waiver(
        subject=subjects[0],
        who=entry.who,
        when=_day(entry.when),
        why=entry.why,
        until=_day(entry.until),
    )


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else date.min
    except ValueError:
        return date.min
