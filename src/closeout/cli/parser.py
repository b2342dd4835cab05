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
from closeout.runs.workspace import Workspace, choose

_EXAMPLES = {
    "order": "closeout order check WO-004.md",
    "init": "closeout init --root ../farmiq",
    "gate": "closeout gate billing --root ../farmiq",
    "mutation": "closeout mutation --python PYTHON --root ../farmiq",
    "probe": "closeout probe --python PYTHON --only cors. --root ../farmiq",
    "dbt": "closeout dbt --python PYTHON --root ../farmiq",
    "mqtt": "closeout mqtt --python PYTHON --root ../farmiq",
    "docs": "closeout docs check",
    "environment": "closeout environment build/live requirements/live.txt",
    "drift": "closeout drift --gap cors --python PYTHON",
    "mutate": "closeout mutate --python PYTHON --only cors.py",
    "fuzz": "closeout fuzz --seconds 60",
    "policy": "closeout policy --python PYTHON",
    "bench": "closeout bench --backups --full",
}
"""One line a subcommand, shown by its --help."""


class _Parser(argparse.ArgumentParser):
    """Ends a usage error with the next step."""

    def error(self, message: str) -> NoReturn:
        """Print the error as every door does, and leave with the code for unusable input."""
        hint = f"{self.prog} --help has an example."
        output.warn(f"{self.format_usage()}{CloseoutError('usage', message, hint=hint)}")
        sys.exit(int(ExitCode.UNUSABLE_INPUT))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    home = Path(os.environ.get("CLOSEOUT_HOME") or Path.cwd()).absolute()
    arguments = parser()
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
    made = _Parser(prog="closeout", description=__doc__)
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
    probe.set_defaults(act=_probe)
    dbt = _on_monorepo(commands.add_parser("dbt", help="run the data pipeline and check it"))
    dbt.add_argument("--python", type=Path, required=True)
    dbt.set_defaults(act=_dbt)
    mqtt = _on_monorepo(commands.add_parser("mqtt", help="scan the production broker"))
    mqtt.add_argument("--python", type=Path, required=True, help="of the scanner's environment")
    mqtt.set_defaults(act=_mqtt)
    _add_upkeep(commands)
    _share(commands.choices)
    return made


def _add_upkeep(commands: argparse._SubParsersAction[_Parser]) -> None:
    """Add what the project itself needs."""
    docs = commands.add_parser("docs", help="make or compare the generated documents")
    docs.add_argument("what", choices=["make", "check", "site"])
    docs.set_defaults(act=_docs)
    environment = commands.add_parser("environment", help="make an environment from pins")
    environment.add_argument("folder", type=Path)
    environment.add_argument("requirements")
    environment.set_defaults(act=_environment)
    drift = commands.add_parser("drift", help="fix drifted services and ask them")
    drift.add_argument(
        "--gap", action="append", help="one gap; all that are mended in code if unsaid"
    )
    drift.add_argument("--python", type=Path, help="has the FastAPI services' packages")
    drift.add_argument("--dbt", type=Path, help="the Python that has dbt")
    drift.set_defaults(act=_drift)
    mutate = commands.add_parser("mutate", help="take every hunk of our fixes back, alone")
    mutate.add_argument("--python", type=Path, required=True)
    mutate.add_argument("--only", default="", help="keep the files whose path contains this")
    mutate.set_defaults(act=_mutate)
    fuzz = commands.add_parser("fuzz", help="spoil what is read, and see every run end well")
    fuzz.add_argument("--seconds", type=float, default=300.0)
    fuzz.add_argument("--seed", type=int, default=1)
    fuzz.add_argument("--case", type=int, help="this one case only")
    fuzz.set_defaults(act=_fuzz)
    policy = commands.add_parser("policy", help="hold the manifests to checkov's policies")
    policy.add_argument("--python", type=Path, required=True, help="of the scanner's environment")
    policy.set_defaults(act=_policy)
    bench = commands.add_parser("bench", help="measure beside a peer")
    bench.add_argument("--backups", action="store_true", help="only how backups compare")
    bench.add_argument("--full", action="store_true", help="backups of 1 GB, else of 200 MB")
    bench.set_defaults(act=_bench)


def _share(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Give every subcommand its example and `--json`."""
    for name, command in commands.items():
        command.epilog = f"example: {_EXAMPLES[name]}" if name in _EXAMPLES else None
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
        return _python(options)
    # Absolute: the suite runs in another folder.
    folder = options.environments.absolute() / "vision"
    return environments.ensure(folder, "requirements/vision.txt")


def _mutation(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    return gate.mutation_gate(_space(options, home), _python(options))


def _probe(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import probe  # noqa: PLC0415 - one subcommand needs it

    return probe.live_probes(_space(options, home), _python(options), options.only)


def _dbt(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    return gate.dbt_gate(_space(options, home), _python(options).with_name("dbt"))


def _mqtt(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.cli.commands import gate  # noqa: PLC0415 - one subcommand needs it

    return gate.mqtt_gate(_space(options, home), _python(options).with_name("sslyze"))


def _docs(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools import docs  # noqa: PLC0415 - one subcommand needs it

    if options.what == "site":
        return docs.check_site(home)
    act = docs.make if options.what == "make" else docs.check
    return act(home, parser())


def _environment(options: argparse.Namespace, home: Path) -> ExitCode:
    from closeout.harness import environments  # noqa: PLC0415 - one subcommand needs it

    del home
    python = environments.ensure(options.folder.absolute(), options.requirements)
    output.say(str(python))
    output.give("python", str(python))
    return ExitCode.SETTLED


def _drift(options: argparse.Namespace, home: Path) -> ExitCode:
    from tests import drift  # noqa: PLC0415 - one subcommand needs it
    from tests.drift import matrix  # noqa: PLC0415 - the same

    unknown = [slug for slug in options.gap or () if slug not in drift.GAPS]
    if unknown:
        raise CloseoutError(
            "gap-unknown",
            f"no drifted services are known for {', '.join(unknown)}.",
            hint=f"name some of {', '.join(drift.GAPS)}.",
        )
    tools = drift.Tools(
        python=options.python.absolute() if options.python else None,
        dbt=options.dbt.absolute().with_name("dbt") if options.dbt else None,
        cache=home / "build" / "cache",
    )
    return matrix.judge(options.gap or drift.GAPS, tools, home)


def _mutate(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools import hunks  # noqa: PLC0415 - one subcommand needs it

    return hunks.judge(home, _python(options), options.only)


def _fuzz(options: argparse.Namespace, home: Path) -> ExitCode:
    from tests.fuzz import campaign  # noqa: PLC0415 - one subcommand needs it

    return campaign.run(home, options.seed, options.seconds, options.case)


def _policy(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools import policy  # noqa: PLC0415 - one subcommand needs it

    return policy.judge(home, _python(options).with_name("checkov"))


def _bench(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools.bench import (  # noqa: PLC0415 - as above
        backups,
        fleets,
        middleware,  # noqa: PLC0415 - one subcommand needs it
        monorepos,
        overhead,
    )

    code = ExitCode.SETTLED if options.backups else middleware.run()
    others = (monorepos.compared(home), overhead.compared(home), fleets.compared())
    size = backups.FULL if options.full else backups.SMALL
    for lines in (*(() if options.backups else others), backups.compared(size)):
        for told in lines:
            output.say(told)
    return code


def _python(options: argparse.Namespace) -> Path:
    if options.python is None or not Path(options.python).exists():
        raise CloseoutError(
            "python-missing",
            f"--python {options.python} is not there.",
            hint="run the Nox session, which makes the environment, or name its Python.",
        )
    return Path(options.python).absolute()


if __name__ == "__main__":
    sys.exit(main())
