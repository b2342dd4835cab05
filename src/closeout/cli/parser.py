"""`python -m closeout`: the door that Nox sessions and CI use."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from closeout.cli.error_handler import guarded
from closeout.console import output
from closeout.errors import CloseoutError, ExitCode
from closeout.process import pace
from closeout.runs.workspace import Workspace, choose

_EXAMPLES = {
    "order": "closeout order check WO-004.md",
    "init": "closeout init --root ../farmiq",
    "gate": "closeout gate billing --root ../farmiq",
    "mutation": "closeout mutation --python PYTHON --root ../farmiq",
    "probe": "closeout probe --python PYTHON --only cors. --root ../farmiq",
    "dbt": "closeout dbt --python PYTHON --root ../farmiq",
    "mqtt": "closeout mqtt --python PYTHON --root ../farmiq",
    "environment": "closeout environment build/live requirements/live.txt",
}
"""One line a subcommand, shown by its --help."""


class Parser(argparse.ArgumentParser):
    """Ends a usage error with the next step."""

    def error(self, message: str) -> NoReturn:
        """Print the error as every door does, and leave with the code for unusable input."""
        hint = f"{self.prog} --help has an example."
        output.warn(f"{self.format_usage()}{CloseoutError('usage', message, hint=hint)}")
        sys.exit(int(ExitCode.UNUSABLE_INPUT))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    home = Path(os.environ.get("CLOSEOUT_HOME") or Path.cwd()).absolute()
    return run(parser(), argv, home)


def run(arguments: argparse.ArgumentParser, argv: Sequence[str] | None, home: Path) -> int:
    """Run the subcommand that `argv` names, under the one error handler; returns its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete  # noqa: PLC0415 - only while a shell completes a line

        argcomplete.autocomplete(arguments)
    options = arguments.parse_args(argv)
    act: Callable[[argparse.Namespace, Path], ExitCode] = options.act
    form = output.Form.JSON if options.json else output.Form.TEXT
    with output.turn(options.command, form):
        return int(guarded(home, lambda: act(options, home)))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    made = Parser(prog="closeout", description=__doc__)
    commands = made.add_subparsers(required=True, metavar="COMMAND", dest="command")
    order = commands.add_parser("order", help="hold a work order's file against its data")
    order.add_argument("check", choices=["check"])
    order.add_argument("file", type=Path)
    order.set_defaults(act=_order)
    init = commands.add_parser("init", help="give a monorepo its doors, a hook and a workflow")
    init.add_argument("--root", required=True)
    init.set_defaults(act=_init)
    gate = _on_monorepo(
        commands.add_parser("gate", help="run test suites and judge their coverage")
    )
    gate.add_argument("suite", choices=["billing", "vision", "all"])
    gate.add_argument("--python", type=Path, help="has the vision suite's packages")
    gate.add_argument("--environments", type=Path, help="or a folder to keep one that has them in")
    gate.set_defaults(act=_gate)
    score = _on_monorepo(commands.add_parser("mutation", help="score both suites by mutation"))
    score.add_argument("--python", type=Path, required=True)
    score.set_defaults(act=_mutation)
    probe = _on_monorepo(commands.add_parser("probe", help="boot the services and probe them"))
    probe.add_argument("--python", type=Path, required=True)
    probe.add_argument("--only", default="", help="keep the probes whose id starts with this")
    pace.add_options(probe)
    probe.set_defaults(act=_probe)
    dbt = _on_monorepo(commands.add_parser("dbt", help="run the data pipeline and check it"))
    dbt.add_argument("--python", type=Path, required=True)
    dbt.set_defaults(act=_dbt)
    mqtt = _on_monorepo(commands.add_parser("mqtt", help="scan the production broker"))
    mqtt.add_argument("--python", type=Path, required=True, help="of the scanner's environment")
    mqtt.set_defaults(act=_mqtt)
    _add_upkeep(commands)
    share(commands.choices, _EXAMPLES)
    return made


def _add_upkeep(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add what sessions need beside the judging."""
    environment = commands.add_parser("environment", help="make an environment from pins")
    environment.add_argument("folder", type=Path)
    environment.add_argument("requirements")
    environment.set_defaults(act=_environment)


def share(commands: Mapping[str, argparse.ArgumentParser], examples: Mapping[str, str]) -> None:
    """Give every subcommand its example and `--json`."""
    for name, command in commands.items():
        command.epilog = f"example: {examples[name]}" if name in examples else None
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _on_monorepo(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--root", help="the monorepo's top folder")
    return parser


def _space(options: argparse.Namespace, home: Path) -> Workspace:
    return choose(home, options.root)


def _order(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.workorders import reader, wo_004  # noqa: PLC0415 - one subcommand needs it

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


def _init(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import init  # noqa: PLC0415 - one subcommand needs it

    del home
    return init.adopt(options.root)


def _gate(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    space = _space(options, home)
    codes = []
    if options.suite in {"billing", "all"}:
        codes.append(gate.billing_gate(space))
    if options.suite in {"vision", "all"}:
        codes.append(gate.vision_gate(space, _vision_python(options)))
    return gate.judge_gates(space) if options.suite == "all" else max(codes)


def _vision_python(options: argparse.Namespace) -> Path:
    from closeout.harness import environments  # noqa: PLC0415 - one subcommand needs it

    if options.environments is None:
        return interpreter(options)
    # Absolute: the suite runs in another folder.
    folder = options.environments.absolute() / "vision"
    return environments.ensure(folder, "requirements/vision.txt")


def _mutation(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    return gate.mutation_gate(_space(options, home), interpreter(options))


def _probe(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import probe  # noqa: PLC0415 - one subcommand needs it

    with pace.kept(pace.Pace(workers=options.workers, deadline=options.deadline)):
        return probe.live_probes(_space(options, home), interpreter(options), options.only)


def _dbt(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    return gate.dbt_gate(_space(options, home), interpreter(options).with_name("dbt"))


def _mqtt(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    return gate.mqtt_gate(_space(options, home), interpreter(options).with_name("sslyze"))


def _environment(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.harness import environments  # noqa: PLC0415 - one subcommand needs it

    del home
    python = environments.ensure(options.folder.absolute(), options.requirements)
    output.say(str(python))
    output.give("python", str(python))
    return ExitCode.SETTLED


def interpreter(options: argparse.Namespace) -> Path:
    """Return the interpreter that `--python` names; raises CloseoutError("python-missing")."""
    if options.python is None or not Path(options.python).exists():
        raise CloseoutError(
            "python-missing",
            f"--python {options.python} is not there.",
            hint="run the Nox session, which makes the environment, or name its Python.",
        )
    return Path(options.python).absolute()
