"""Say what a disaster may cost: the RPO of each way back that was tried."""

from __future__ import annotations

from collections.abc import Sequence

from closeout.model import Measure
from closeout.model.verdicts import Ruling

_HOUR = 3600
_WAYS = {
    "backup.restore-drill": "the nightly logical dump",
    "backup.point-in-time": "archived WAL (pgBackRest)",
}
"""The probe that takes a way back, and what the way is called."""


def section(rulings: Sequence[Ruling]) -> list[str]:
    """Return the Markdown lines of the ways that have been tried; nothing where none was."""
    tried = {item.probe: item for ruling in rulings for item in ruling.evidence}
    rows = [
        f"| {name} | {_rpo(tried[probe].measures)} | {_answer(tried[probe].passed)} |"
        for probe, name in _WAYS.items()
        if probe in tried
    ]
    if not rows:
        return []
    head = [
        "## What a disaster may cost",
        "",
        "| way back | RPO, at most | restored and compared |",
    ]
    return [*head, "| --- | --- | --- |", *rows, ""]


def _rpo(measures: Sequence[Measure]) -> str:
    """Return the figure as people say it, and what was measured in the rehearsal."""
    figures = {measure.name: measure.value for measure in measures}
    if "RPO" not in figures:
        return "not measured"
    seconds = figures["RPO"]
    told = f"{seconds / 3600:g} hours" if seconds >= _HOUR else f"{seconds / 60:.1f} minutes"
    lost = figures.get("lost in the rehearsal")
    return told if lost is None else f"{told}; {lost:g} s were lost in the rehearsal"


def _answer(passed: bool | None) -> str:  # noqa: FBT001 - three answers, and this is one
    return {True: "yes", False: "NO", None: "not run"}[passed]
