"""`closeout order`: hold a work order's file against its data."""

from __future__ import annotations

import argparse
from pathlib import Path

from closeout.console import output
from closeout.errors import CloseoutError, ExitCode
from closeout.workorders import reader, wo_004


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Name every checkbox of the file that no criterion, or more than one, claims."""
    del home
    if not options.file.is_file():
        raise CloseoutError(
            "order-missing",
            f"{options.file} is not a file.",
            hint="name the order's Markdown file.",
        )
    messages = reader.unclaimed(wo_004.WO_004, options.file.read_text())
    output.say("\n".join(messages) or f"{options.file.name}: every checkbox has its one criterion")
    output.give("unclaimed", messages)
    return ExitCode.GAPS_LEFT if messages else ExitCode.SETTLED
