"""`closeout gate`: run suites, the pipeline or scans, and judge what they leave."""

from __future__ import annotations

import argparse
from pathlib import Path

from closeout.cli import session
from closeout.cli.parser import interpreter
from closeout.errors import ExitCode
from closeout.runs.workspace import choose

ALL = "all"
"""Every suite, and then what all of them left."""


def names() -> list[str]:
    """Return what `gate` can be asked for."""
    return [*dict.fromkeys(gate.name for gate in session.gates()), ALL]


def run(options: argparse.Namespace, home: Path) -> ExitCode:
    """Run the gates of one name, or all the suites."""
    space = choose(home, options.root)
    pythons = _interpreters(options)
    if options.name != ALL:
        space.announce()
        return session.judge(space, session.named(options.name), pythons)
    for gate in session.gates():
        if gate.suite:
            space.announce()
            session.judge(space, (gate,), pythons)
    return session.judge_suites(space)


def _interpreters(options: argparse.Namespace) -> session.Interpreters:
    if options.environments is None:
        if options.python is not None:
            interpreter(options)  # one that is named is looked for, whether a gate needs it or not
        return lambda _: interpreter(options)
    # Absolute: a suite runs in another folder.
    return session.environments_in(options.environments.absolute())
