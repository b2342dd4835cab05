"""What is typed after `invoke`, read before anything runs: typos, and one root for all tasks.

Invoke itself ends a typo with 1 and no suggestion, gives `--root` to the last task alone, and
shows its own options to somebody who names no task.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import invoke.main
from invoke import Exit, Program
from invoke.exceptions import ParseError
from invoke.parser import ParserContext

from closeout.console import layout, output
from closeout.console.nearest import unknown
from closeout.errors import CloseoutError, ExitCode

_ROOT = "root"
_ALL = "invoke alone lists all tasks."
_MORE = (
    "  invoke --help GROUP.TASK   what a task does, its options, an example",
    "  invoke --list              every task in a line",
    "  nox --list                 what judges a tree: suites, services, data pipeline",
)


class Careful(Program):
    """Invoke's program, which leaves with 2 and the nearest name where a word is a typo."""

    unproven = False
    """Whether a task of this call has left something unproven: the next one starts all the same."""

    def execute(self) -> None:
        """Run the tasks; a call in which one left something unproven ends with its code."""
        # Tasks of one name, made by one decorator, are one task to Invoke, and it drops the second:
        # `invoke detect.all audit.all` would audit nothing, and end well.
        self.config.load_overrides({"tasks": {"dedupe": False}})
        super().execute()
        if self.unproven:
            raise Exit(code=int(ExitCode.UNPROVEN))

    def parse_tasks(self) -> None:
        """Parse what was typed; every task is given the one root that any of them was given."""
        self._ask_for_help()
        try:
            super().parse_tasks()
        except ParseError as error:
            _refuse(self._misspelt(error))
        for result in (self.core[0], self.core_via_tasks):
            asked = result.args["help"].value
            if isinstance(asked, str) and asked not in self.parser.contexts:
                _refuse(unknown("task", asked, self._names, _ALL))
        _share_root(self.tasks)

    def _ask_for_help(self) -> None:
        """Take `--help` behind a task for a question, and not for what a task's argument says."""
        words = self.core.unparsed
        at = next((place for place, word in enumerate(words) if word in {"-h", "--help"}), 0)
        if at and words[at - 1] in self.scoped_collection.task_names:
            self.core[0].args["help"].value = words[at - 1]
            words.clear()

    def no_tasks_given(self) -> NoReturn:
        """List the tasks by group."""
        output.say(listed(self._names))
        raise Exit(code=0)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.parser.contexts)

    def _misspelt(self, error: ParseError) -> CloseoutError:
        """Return what a parse error is about: a task, an option of one, or a value that lacks."""
        text, context = str(error), error.context
        if not text.startswith("No idea what"):
            return CloseoutError("usage", f"{text}", hint="give it, or try --help after the task.")
        word = text.split("'")[1]
        if not word.startswith("-"):
            return unknown("task", word, self._names, _ALL)
        flags = [*(context.flags if context else ()), *self.initial_context.flags]
        more = f"invoke --help {context.name} lists them." if context and context.name else _ALL
        return unknown("option", word, [flag for flag in flags if flag[:2] == "--"], more)


def take_over() -> None:
    """Let Invoke's own program, where it is the one that runs, read what was typed with care."""
    started = Path(sys.argv[0])
    name = started.parent.name if started.stem == "__main__" else started.stem
    if name in {"invoke", "inv"}:
        invoke.main.program.__class__ = Careful


def leave(code: ExitCode) -> None:
    """End the call where a task's code asks for it: nothing that is unproven stops the next one."""
    running = invoke.main.program
    if code is ExitCode.UNPROVEN and isinstance(running, Careful):
        running.unproven = True
    elif code is not ExitCode.SETTLED:
        raise Exit(code=int(code))


def listed(names: Sequence[str]) -> str:
    """Return the tasks by group, at most 80 columns wide."""
    lines = [
        line
        for group, members in groupby(sorted(names), key=lambda name: name.partition(".")[0])
        for line in textwrap.wrap(
            "  ".join(member.partition(".")[2] for member in members),
            80,
            initial_indent=f"  {group:<9} ",
            subsequent_indent=" " * 12,
            break_on_hyphens=False,
        )
    ]
    example = "invoke GROUP.TASK, such as: invoke fix.all --dry-run"
    return "\n".join([example, "", *lines, "", *_MORE])


def _share_root(asked: Sequence[ParserContext]) -> None:
    """Give every task the root that one of them has; refuse where it is open which one."""
    takers = [context.args[_ROOT] for context in asked if _ROOT in context.args]
    given = {str(taker.value) for taker in takers if taker.value}
    if len(given) > 1 and not all(taker.value for taker in takers):
        _refuse(
            CloseoutError(
                "root-ambiguous",
                "some tasks of this call have different roots, and others have none.",
                hint="give every task its --root, or one for all of them.",
            )
        )
    for taker in takers:
        if given and not taker.value:
            taker.value = next(iter(given))


def _refuse(error: CloseoutError) -> NoReturn:
    output.warn(layout.of_error(error))
    raise Exit(code=int(error.exit_code))
