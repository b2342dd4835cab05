"""`python -m closeout`: the door that Nox sessions and CI use."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

from closeout import __version__
from closeout.console.nearest import near
from closeout.errors import CloseoutError, ExitCode

_DAY = 86_400.0
_UNKNOWN = re.compile(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)")

Declare = Callable[[argparse.ArgumentParser], object]


class Parser(argparse.ArgumentParser):
    """Ends a usage error with the next step."""

    def error(self, message: str) -> NoReturn:
        """Print the error as every door does, and leave with the code for unusable input."""
        hint = f"{self._likely(message)}{self.prog} --help has an example."
        error = CloseoutError("usage", message, hint=hint)
        told = import_module("closeout.console.layout").of_error(error)
        import_module("closeout.console.output").warn(f"{self.format_usage()}{told}")
        sys.exit(int(ExitCode.UNUSABLE_INPUT))

    def _likely(self, message: str) -> str:
        """Return what a word of the message may have been meant to be, empty where nothing."""
        found = _UNKNOWN.search(message)
        if found is None:
            return ""
        word = found[1] or found[2]
        actions = [action for parser in _all(self) for action in parser._actions]  # noqa: SLF001 - argparse has no public walk
        names = [
            str(name)
            for action in actions
            for name in (action.option_strings if word[:1] == "-" else action.choices or ())
        ]
        likely = near(word.partition("=")[0], names)
        return f"name {likely}, if you mean that; " if likely else ""


def _all(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its subcommands; an unknown option is told by the first."""
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse has no public walk
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            yield from action.choices.values()


class Subcommand(NamedTuple):
    """What a subcommand says of itself; the module of its name in `commands` does the work."""

    help: str
    example: str
    arguments: tuple[Declare, ...]


class _GateNames(Collection[str]):
    """What `gate` can be asked for; the gaps are imported once somebody wants to know."""

    def __contains__(self, name: object) -> bool:
        return name in _command("gate").names()

    def __iter__(self) -> Iterator[str]:
        return iter(_command("gate").names())

    def __len__(self) -> int:
        return len(_command("gate").names())


def _argument(*names: str, **settings: object) -> Declare:
    return lambda parser: parser.add_argument(*names, **settings)  # type: ignore[arg-type]


def _count(word: str) -> int:
    count = int(word)
    if count < 1:
        message = f"{word} is not 1 or more"
        raise argparse.ArgumentTypeError(message)
    return count


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds <= _DAY:
        message = f"{word} is not more than 0 and a day at most"
        raise argparse.ArgumentTypeError(message)
    return seconds


_VOICE = {
    "--json": "one JSON document on stdout",
    "--quiet": "the last line alone",
    "--verbose": "no text cut",
}
_ROOT = _argument("--root", help="the monorepo's top folder")

_SUBCOMMANDS = {
    "order": Subcommand(
        "hold a work order's file against its data, or begin the data of one",
        "closeout order new ORDER.md",
        (
            _argument("act_on", choices=["check", "new"], metavar="check|new"),
            _argument("file", type=Path, help="the order's Markdown file"),
        ),
    ),
    "init": Subcommand(
        "give a monorepo its doors, a hook and a workflow",
        "closeout init --root ../farmiq",
        (
            _argument("--root", required=True),
            _argument("--install", default="", help="write a workflow that installs it from here"),
        ),
    ),
    "detect": Subcommand(
        "find open places, of the given files alone if any are given",
        "closeout detect --root . services/api/app/main.py",
        (_ROOT, _argument("files", nargs="*", help="changed files, from the current folder")),
    ),
    "gate": Subcommand(
        "run suites, the data pipeline or scans, and judge what they leave",
        "closeout gate all --environments build --root ../farmiq",
        (
            _ROOT,
            _argument("name", choices=_GateNames(), metavar="NAME", help="which gate"),
            _argument("--python", type=Path, help="has the packages that it needs"),
            _argument("--environments", type=Path, help="or a folder to keep one that has them in"),
        ),
    ),
    "probe": Subcommand(
        "boot the services and probe them",
        "closeout probe --python PYTHON --only cors. --root ../farmiq",
        (
            _ROOT,
            _argument("--python", type=Path, required=True),
            _argument(
                "--only", default="", help="keep the probes whose id starts with A or B: A,B"
            ),
            _argument(
                "--again", action="store_true", help="ask what was found in order before, too"
            ),
            _argument(
                "--workers",
                type=_count,
                metavar="N",
                help="services that boot at a time, as many as cores if unsaid; "
                "with 1, probes take turns",
            ),
            _argument(
                "--deadline",
                type=_seconds,
                metavar="SECONDS",
                help="what a service has to boot in on a quiet machine, 60 if unsaid",
            ),
        ),
    ),
    "environment": Subcommand(
        "make an environment from pins",
        "closeout environment build/live requirements/live.txt",
        (_argument("folder", type=Path), _argument("requirements")),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code.

    What it keeps goes where the doors that `init` gave a monorepo keep theirs: what stands in the
    tree beside it would be judged with the tree.
    """
    here = Path.cwd()
    is_adopted = (here / ".closeout").is_dir() or (here / "closeout.toml").is_file()
    usual = here / ".closeout" if is_adopted else here
    home = Path(os.environ.get("CLOSEOUT_HOME") or usual).absolute()
    return run(parser(), argv, home)


def run(arguments: argparse.ArgumentParser, argv: Sequence[str] | None, home: Path) -> int:
    """Run the subcommand that `argv` names, under the one error handler; returns its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        import_module("argcomplete").autocomplete(arguments)
    options = arguments.parse_args(argv)
    act: Callable[[argparse.Namespace, Path], ExitCode] = options.act
    # Only now: no help needs what comes with it.
    handler = import_module("closeout.cli.error_handler")
    return int(handler.spoken(options, home, lambda: act(options, home)))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    made = Parser(prog="closeout", description=__doc__)
    made.add_argument("--version", action="version", version=f"closeout {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, told in _SUBCOMMANDS.items():
        command = commands.add_parser(name, help=told.help)
        for declare in told.arguments:
            declare(command)
        command.set_defaults(act=_act)
    share(commands.choices, {name: told.example for name, told in _SUBCOMMANDS.items()})
    return made


def share(commands: Mapping[str, argparse.ArgumentParser], examples: Mapping[str, str]) -> None:
    """Give every subcommand its example, `--json`, `--quiet` and `--verbose`."""
    for name, command in commands.items():
        command.epilog = f"example: {examples[name]}" if name in examples else None
        for option, told in _VOICE.items():
            command.add_argument(option, action="store_true", help=told)


def _act(options: argparse.Namespace, home: Path) -> ExitCode:
    return ExitCode(_command(options.command).run(options, home))


@cache
def _command(name: str) -> ModuleType:
    """Return a subcommand's module: the one place that imports it, when it is needed."""
    return import_module(f"closeout.cli.commands.{name}")


def interpreter(options: argparse.Namespace) -> Path:
    """Return the interpreter that `--python` names; raises CloseoutError("python-missing")."""
    if options.python is None or not Path(options.python).exists():
        raise CloseoutError(
            "python-missing",
            f"--python {options.python} is not there.",
            hint="run the Nox session, which makes the environment, or name its Python.",
        )
    return Path(options.python).absolute()
