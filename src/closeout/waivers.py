"""Read `waivers.toml` of the target: criteria that somebody accepts as they are, for a time."""

from __future__ import annotations

import tomllib
from datetime import date

from closeout.errors import CloseoutError
from closeout.rulings import Waiver
from closeout.tree import Tree

FILE = "waivers.toml"


def load(tree: Tree, today: date) -> dict[str, Waiver]:
    """Return the waivers in force on `today`, by criterion id.

    A lapsed or unreadable date counts as expired. Raises CloseoutError("waivers-unusable") for a
    file that is no TOML, or an entry without criterion, who, when, why or until.
    """
    content = tree.read(FILE)
    if content is None:
        return {}
    try:
        entries = tomllib.loads(content.decode())["waiver"]
        waivers = [_waiver(entry) for entry in entries]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise CloseoutError(
            "waivers-unusable",
            f"{FILE}: {error}",
            hint="each [[waiver]] needs criterion, who, when, why and until = YYYY-MM-DD.",
        ) from error
    return {item.criterion: item for item in waivers if item.until >= today}


def _waiver(entry: dict[str, object]) -> Waiver:
    return Waiver(
        criterion=str(entry["criterion"]),
        who=str(entry["who"]),
        when=_day(entry["when"]),
        why=str(entry["why"]),
        until=_day(entry["until"]),
    )


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return date.min
