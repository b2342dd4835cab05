"""`python -m tools`: what the makers of this project run; Nox sessions call it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from closeout.cli import parser as door
from closeout.console import output
from closeout.errors import CloseoutError, ExitCode

HOME = Path(__file__).resolve().parents[1]
"""The project's checkout: none of this works without one."""

_EXAMPLES = {
    "docs": "python -m tools docs check",
    "transcript": "python -m tools transcript",
    "drift": "python -m tools drift --gap cors --python PYTHON",
    "mutate": "python -m tools mutate --python PYTHON --only cors.py",
    "fuzz": "python -m tools fuzz --seconds 60",
    "policy": "python -m tools policy --python PYTHON",
    "bench": "python -m tools bench --backups --full",
}
"""One line a subcommand, shown by its --help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    return door.run(parser(), argv, HOME)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the makers' subcommands."""
    made = door.Parser(prog="python -m tools", description=__doc__)
    commands = made.add_subparsers(required=True, metavar="COMMAND", dest="command")
    docs = commands.add_parser("docs", help="make or compare the generated documents")
    docs.add_argument("what", choices=["make", "check", "site"])
    docs.set_defaults(act=_docs)
    transcript = commands.add_parser("transcript", help="play the commands of the transcript")
    transcript.set_defaults(act=_transcript)
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
    bench.add_argument("--root", type=Path, help="only what the plan takes on this monorepo")
    bench.set_defaults(act=_bench)
    door.share(commands.choices, _EXAMPLES)
    return made


def _docs(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools import docs  # noqa: PLC0415 - one subcommand needs it

    acts: dict[str, Callable[[], ExitCode]] = {
        "site": lambda: docs.check_site(home),
        "make": lambda: docs.make(home, door.parser()),
        "check": lambda: docs.check(home, door.parser()),
    }
    return acts[options.what]()


def _transcript(options: argparse.Namespace, home: Path) -> ExitCode:
    from tests.support.strangers import SHOP  # noqa: PLC0415 - one subcommand needs it
    from tools import transcript  # noqa: PLC0415 - the same

    del options
    return transcript.make(home, SHOP)


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

    return hunks.judge(home, door.interpreter(options), options.only)


def _fuzz(options: argparse.Namespace, home: Path) -> ExitCode:
    from tests.fuzz import campaign  # noqa: PLC0415 - one subcommand needs it

    return campaign.run(home, options.seed, options.seconds, options.case)


def _policy(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools import policy  # noqa: PLC0415 - one subcommand needs it

    return policy.judge(home, door.interpreter(options).with_name("checkov"))


def _bench(options: argparse.Namespace, home: Path) -> ExitCode:
    from tools.bench import (  # noqa: PLC0415 - one subcommand needs it
        backups,
        fleets,
        middleware,
        monorepos,
        overhead,
    )

    if options.root is not None:
        for told in monorepos.compared(home, options.root.resolve()):
            output.say(told)
        return ExitCode.SETTLED
    code = ExitCode.SETTLED if options.backups else middleware.run()
    others = (monorepos.compared(home), overhead.compared(home), fleets.compared())
    size = backups.FULL if options.full else backups.SMALL
    for lines in (*(() if options.backups else others), backups.compared(size)):
        for told in lines:
            output.say(told)
    return code


if __name__ == "__main__":
    sys.exit(main())
