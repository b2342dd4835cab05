"""`closeout environment`: make an environment from pins, for a session."""

from __future__ import annotations

import argparse
from pathlib import Path

from closeout.console import output
from closeout.errors import ExitCode
from closeout.harness import environments


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Make the environment, or find it made, and print its interpreter."""
    del home
    python = environments.ensure(options.folder.absolute(), options.requirements)
    output.say(str(python))
    output.give("python", str(python))
    return ExitCode.SETTLED
