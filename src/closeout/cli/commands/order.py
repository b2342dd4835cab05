"""`closeout order`: hold a work order's file against its data, or begin the data of a new one."""

from __future__ import annotations

import argparse
from pathlib import Path

from closeout.console import output
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import writer
from closeout.workorders import order_files, reader, skeleton
from closeout.workorders.wo_004 import WO_004


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Check a Markdown work order against its data, or make a skeleton of data for one."""
    del home
    try:
        text = options.file.read_text()
    except OSError as error:
        raise CloseoutError(
            "order-missing",
            f"{options.file} cannot be read: {error.strerror}.",
            hint="name the order's Markdown file.",
        ) from error
    return new(options.file, text) if options.act_on == "new" else check(options.file, text)


def check(file: Path, text: str) -> ExitCode:
    """Name every checkbox of the file that no criterion, or more than one, claims.

    The data is the TOML file beside it, ours where there is none.
    """
    beside = file.with_suffix(".toml")
    order = order_files.read(beside.read_bytes(), beside.name) if beside.is_file() else WO_004
    messages = reader.unclaimed(order, text)
    output.say("\n".join(messages) or f"{file.name}: every checkbox has its one criterion")
    output.give("unclaimed", messages)
    return ExitCode.GAPS_LEFT if messages else ExitCode.SETTLED


def new(file: Path, text: str) -> ExitCode:
    """Write a skeleton of the order's data beside its file, and say what it could match.

    Raises CloseoutError("order-exists") where the data is there already.
    """
    place = file.with_suffix(".toml")
    if place.exists():
        raise CloseoutError(
            "order-exists",
            f"{place} is there already, and is left as it is.",
            hint="move it away, or hold the order against it: closeout order check.",
        )
    matches = skeleton.matched(text, WO_004)
    writer.durable_write(place, skeleton.rendered(file.stem, text, matches))
    for item in matches:
        output.say(str(item))
    left = [item for item in matches if item.like is None]
    output.say(
        f"wrote {place}: {len(matches) - len(left)} of {len(matches)} matched, "
        f"{len(left)} left to the operator"
    )
    output.say(f'next: look it over, then name it in closeout.toml: order = "{place.name}"')
    output.give("written", [str(place)])
    return ExitCode.SETTLED
