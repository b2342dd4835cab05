"""What Nox judges here: thin sessions that build an environment and call `python -m closeout`.

`--root DIR` goes after `--`, as in `nox -s live_probes -- --root ../farmiq`.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import nox

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME / "src"))  # Nox may be another installation than the checkout's

from closeout.cli import early  # noqa: E402 - the same
from closeout.console import nearest  # noqa: E402 - the same
from closeout.errors import CloseoutError  # noqa: E402 - the same
from closeout.harness import environments  # noqa: E402 - found by the line above
from closeout.process import pace  # noqa: E402 - the same

early.handed_over()  # Nox ends with 130 by itself

nox.options.default_venv_backend = (
    "none"  # `closeout.harness.environments` makes them, whole or not at all
)
nox.options.sessions = ["tests"]

OURS = "requirements/closeout.txt"
LINT = "requirements/lint.txt"
LIVE = "requirements/live.txt"
VISION = "requirements/vision.txt"
DBT = "requirements/dbt.txt"
EMULATORS = "requirements/emulators.txt"
POLICY = "requirements/policy.txt"
DOCS = "requirements/docs.txt"
VALIDATORS = "requirements/validators.txt"

MAKERS = ("mutate", "policy")
"""Subcommands of `python -m tools`; all others are of `python -m closeout`."""
PINS = "requirements/pins.txt"
PIPS = ("requirements/pip.txt", "requirements/pip-debian.txt")
ENVIRONMENTS = HOME / ".nox"
KEPT = ENVIRONMENTS / ".cache" / "environments"


class _Ours:
    """The environment of every session that adds the same pins to ours: these, and this project."""

    def __init__(self, session: nox.Session, *files: str) -> None:
        self._session = session
        folder = ENVIRONMENTS / Path((OURS, *files)[-1]).stem
        python = _made(session, folder, OURS, *files, project=HOME)
        self._programs = python.parent
        self._environment = {
            "PATH": f"{self._programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(folder),
        }

    def run(self, program: str, *words: str, env: Mapping[str, str] | None = None) -> None:
        argv = (str(self._programs / program), *words)
        environment = {**self._environment, **(env or {})}
        # What a session started is ended, and its copies removed, before it is ended itself.
        self._session.run(*argv, env=environment, interrupt_timeout=60)


def _made(session: nox.Session, folder: Path, *files: str, project: Path | None = None) -> Path:
    try:
        return environments.made(folder, [HOME / name for name in files], project=project)
    except CloseoutError as error:
        session.error(str(error))


def _gate(session: nox.Session, name: str, *pins: str) -> None:
    """Put a gate to a tree; it makes the environment that it needs, if any."""
    words = ("gate", name, "--environments", str(KEPT), *session.posargs)
    _Ours(session, *pins).run("python", "-m", "closeout", *words)


def _environment(session: nox.Session, requirements: str) -> str:
    """Return the Python of a second environment, for code that must not share ours."""
    return str(_made(session, KEPT / Path(requirements).stem, requirements))


def _environment_if_any(session: nox.Session, requirements: str) -> str:
    """Return the same, empty where this Python is too new for it: what needs it is then skipped."""
    try:
        return str(environments.ensure(KEPT / Path(requirements).stem, requirements))
    except CloseoutError as error:
        if error.reference != "python-too-new":
            session.error(str(error))
        session.warn(str(error))
        return ""


def _judge(session: nox.Session, command: str, requirements: str, *files: str) -> None:
    """Run a command of ours on the Python of a second environment."""
    python = _environment(session, requirements)
    package = "tools" if command in MAKERS else "closeout"
    words = (command, "--python", python, *session.posargs)
    _Ours(session, *files).run("python", "-m", package, *words)


def _abreast() -> tuple[str, ...]:
    """Return pytest's words for a worker a core, and for two on one core: tests mostly wait.

    A file stays with one worker, for its tests share what is costly, such as a server.
    """
    workers = max(2, pace.usable_cores())
    return ("-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the project's own tests, as many files at a time as cores; `-- -n0` has one at a time.

    Example: nox -s tests -- tests/unit
    """
    ours = _Ours(session, EMULATORS, VALIDATORS)
    live = _environment(session, LIVE)
    dbt = _environment_if_any(session, DBT)
    vision = _environment(session, VISION)
    ours.run(
        "pytest",
        *_abreast(),
        *session.posargs,
        env={
            "CLOSEOUT_OLD_PIPS": os.pathsep.join(_environment(session, file) for file in PIPS),
            "CLOSEOUT_LIVE_PYTHON": live,
            "CLOSEOUT_DBT_PYTHON": dbt,
            "CLOSEOUT_VISION_PYTHON": vision,
        },
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, and that every generated file is as its source gives it.

    Example: nox -s lint
    """
    ours = _Ours(session, LINT)
    ours.run("python", "-m", "tools.pins", "check")
    ours.run("ruff", "check")
    ours.run("ruff", "format", "--check")
    ours.run("invoke", "patches.check")
    ours.run("invoke", "render.check")
    ours.run("python", "-m", "tools", "docs", "check")


@nox.session
def pins(session: nox.Session) -> None:
    """Compile every pin file anew and say what moved; versions that still fit stay.

    Example: nox -s pins -- --upgrade-package nox
    """
    _Ours(session, PINS).run("python", "-m", "tools.pins", "compile", *session.posargs)


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types strictly.

    Example: nox -s typecheck
    """
    ours = _Ours(session, LINT)
    ours.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site, every warning an error, no network asked.

    Example: nox -s docs
    """
    ours = _Ours(session, DOCS)
    quiet = ("-W", "--keep-going", "-n", "-q", "-E")
    ours.run("sphinx-build", *quiet, "-d", "build/doctrees", "docs", "build/site")
    ours.run("python", "-m", "tools", "docs", "site")


@nox.session
def billing_jest(session: nox.Session) -> None:
    """Run the billing suite and judge its files; on TEST_DATABASE_URL, if that is a socket.

    Example: nox -s billing_jest -- --root ../farmiq
    """
    _gate(session, "billing")


@nox.session
def vision_pytest(session: nox.Session) -> None:
    """Run the vision suite and judge its files.

    Example: nox -s vision_pytest -- --root ../farmiq
    """
    _gate(session, "vision")


@nox.session
def coverage_gates(session: nox.Session) -> None:
    """Run both suites, then judge what they left.

    Example: nox -s coverage_gates -- --root ../farmiq
    """
    _gate(session, "all")


@nox.session
def mutation(session: nox.Session) -> None:
    """Score both suites by mutation: change the services a little, see which change is seen.

    Example: nox -s mutation -- --root ../farmiq
    """
    _gate(session, "mutation")


@nox.session
def live_probes(session: nox.Session) -> None:
    """Boot the services before and after the fix and run the probe battery.

    Example: nox -s live_probes -- --root ../farmiq
    """
    _judge(session, "probe", LIVE, EMULATORS)


@nox.session
def dbt(session: nox.Session) -> None:
    """Compile, run and check the data pipeline on a real PostgreSQL.

    Example: nox -s dbt -- --root ../farmiq
    """
    _gate(session, "dbt")


@nox.session
def mqtt_tls(session: nox.Session) -> None:
    """Scan the production broker, and meet it as strict clients do.

    Example: nox -s mqtt_tls -- --root ../farmiq
    """
    _gate(session, "mqtt", EMULATORS)


@nox.session
def policy(session: nox.Session) -> None:
    """Hold the manifests to checkov's policies; what fails is waived in policy-waivers.toml.

    Example: nox -s policy
    """
    _judge(session, "policy", POLICY)


@nox.session
def backup_faults(session: nox.Session) -> None:
    """Kill the backup scripts at every step, about half an hour; the suite takes a few steps.

    Example: nox -s backup_faults
    """
    ours = _Ours(session, EMULATORS)
    ours.run("pytest", "tests/backup_faults.py", *session.posargs)


@nox.session
def drift(session: nox.Session) -> None:
    """Fix services that drifted in every way we know, ask them, and keep the table.

    Example: nox -s drift -- --gap cors
    """
    ours = _Ours(session)
    live = _environment(session, LIVE)
    pipeline = _environment(session, DBT)
    words = ("--python", live, "--dbt", pipeline, *session.posargs)
    ours.run("python", "-m", "tools", "drift", *words)


@nox.session
def negative_control(session: nox.Session) -> None:
    """Put the whole battery to the order carried out by the letter, and name every red probe.

    Example: nox -s negative_control
    """
    ours = _Ours(session)
    python = _environment(session, LIVE)
    ours.run(
        "pytest",
        "tests/live/test_negative_control.py",
        *session.posargs,
        env={"CLOSEOUT_LIVE_PYTHON": python, "CLOSEOUT_WHOLE_BATTERY": "1"},
    )


@nox.session
def audit_selftest(session: nox.Session) -> None:
    """Audit the fixed tree, the order by the letter, and each planted false claim alone.

    Example: nox -s audit_selftest
    """
    ours = _Ours(session, EMULATORS)
    ours.run(
        "pytest",
        "tests/audit_selftest.py",
        *session.posargs,
        env={
            "CLOSEOUT_LIVE_PYTHON": _environment(session, LIVE),
            "CLOSEOUT_DBT_PYTHON": _environment(session, DBT),
            "CLOSEOUT_VISION_PYTHON": _environment(session, VISION),
        },
    )


@nox.session
def adoption(session: nox.Session) -> None:
    """Adopt a copy of the reference monorepo with nothing but the wheel, fix it and judge it.

    Example: nox -s adoption
    """
    ours = _Ours(session)
    ours.run("pytest", "tests/adoption_selftest.py", *session.posargs)


@nox.session
def mutation_of_fixes(session: nox.Session) -> None:
    """Take every hunk of our fixes back, alone, and see that a probe notices.

    Example: nox -s mutation_of_fixes -- --only cors.py
    """
    _judge(session, "mutate", LIVE)


@nox.session
def attack(session: nox.Session) -> None:
    """Kill, suspend, pair, starve and stop fixes and undos, some 700 times: trees stay whole.

    `--rounds N` is for series of that length, `--seed N` for other moments, `--door invoke` for
    the real command line.
    Example: nox -s attack -- --door invoke --rounds 20
    """
    words = argparse.ArgumentParser(prog="nox -s attack --", add_help=False)
    words.add_argument("--rounds", type=int)
    words.add_argument("--seed", default="")
    words.add_argument("--door", choices=["invoke"], default="")
    asked, rest = words.parse_known_args(session.posargs)
    figures = HOME / "build" / "attack.jsonl"
    figures.parent.mkdir(exist_ok=True)
    figures.unlink(missing_ok=True)
    env = {
        "CLOSEOUT_WHOLE_SERIES": str(figures),
        "CLOSEOUT_ATTACK_ROUNDS": str(asked.rounds or ""),
        "CLOSEOUT_ATTACK_SEED": asked.seed,
        "CLOSEOUT_ATTACK_DOOR": asked.door,
    }
    _Ours(session).run("pytest", "tests/attack", *rest, env=env)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Spoil what is read, five minutes or `-- --seconds N --seed S`: every run must end well.

    Example: nox -s fuzz -- --seconds 60
    """
    ours = _Ours(session)
    ours.run("python", "-m", "tools", "fuzz", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, beside a peer in the same run; `-- --backups --full` backs up 1 GB.

    Example: nox -s bench
    """
    ours = _Ours(session)
    ours.run("python", "-m", "tools", "bench", *session.posargs)


try:
    nearest.assert_sessions(nox.registry.get(), sys.argv[1:])
except CloseoutError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(int(error.exit_code))
