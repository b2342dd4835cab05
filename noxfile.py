"""What Nox judges here: thin sessions that build an environment and call `python -m closeout`.

`--root DIR` goes after `--`, as in `nox -s live_probes -- --root ../farmiq`.
"""

import hashlib
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
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


def _install(session: nox.Session, *files: str) -> None:
    for name in files:
        session.install("--quiet", "--no-deps", "--require-hashes", "-r", name)


def _install_ours(session: nox.Session, *files: str) -> None:
    """Install the pins and this project, once for an environment as long as none changes."""
    named = [Path(name) for name in (OURS, *files, "pyproject.toml")]
    wanted = hashlib.sha256(b"".join(place.read_bytes() for place in named)).hexdigest()
    stamp = Path(session.virtualenv.location) / "made-from"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _install(session, OURS, *files)
    session.install("--quiet", "--no-deps", "--no-build-isolation", "-e", ".")
    stamp.write_text(wanted)


def _gate(session: nox.Session, name: str, *pins: str) -> None:
    """Put a gate to a tree; it makes the environment that it needs, if any."""
    _install_ours(session, *pins)
    kept = session.cache_dir.absolute() / "environments"
    words = ("gate", name, "--environments", str(kept), *session.posargs)
    session.run("python", "-m", "closeout", *words)


def _environment(session: nox.Session, name: str, requirements: str) -> str:
    """Return the Python of a second environment, for code that must not share ours."""
    folder = session.cache_dir.absolute() / "environments" / name
    session.run("python", "-m", "closeout", "environment", str(folder), requirements, silent=True)
    return str(folder / "bin" / "python")


def _judge(
    session: nox.Session, command: str, name: str, requirements: str, package: str = "closeout"
) -> None:
    """Run a command of ours on the Python of a second environment."""
    python = _environment(session, name, requirements)
    session.run("python", "-m", package, command, "--python", python, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the project's own tests.

    Example: nox -s tests -- tests/unit
    """
    _install_ours(session, EMULATORS, VALIDATORS)
    live = _environment(session, "live", LIVE)
    dbt = _environment(session, "dbt", DBT)
    vision = _environment(session, "vision", VISION)
    session.run(
        "pytest",
        *session.posargs,
        env={
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
    _install_ours(session, LINT)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("invoke", "patches.check")
    session.run("invoke", "render.check")
    session.run("python", "-m", "tools", "docs", "check")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types strictly.

    Example: nox -s typecheck
    """
    _install_ours(session, LINT)
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site, every warning an error, no network asked.

    Example: nox -s docs
    """
    _install_ours(session, DOCS)
    quiet = ("-W", "--keep-going", "-n", "-q", "-E")
    session.run("sphinx-build", *quiet, "-d", "build/doctrees", "docs", "build/site")
    session.run("python", "-m", "tools", "docs", "site")


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
    _install_ours(session, EMULATORS)
    _judge(session, "probe", "live", LIVE)


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
    _install_ours(session)
    _judge(session, "policy", "policy", POLICY, "tools")


@nox.session
def backup_faults(session: nox.Session) -> None:
    """Kill the backup scripts at every step, about half an hour; the suite takes a few steps.

    Example: nox -s backup_faults
    """
    _install_ours(session, EMULATORS)
    session.run("pytest", "tests/backup_faults.py", *session.posargs)


@nox.session
def drift(session: nox.Session) -> None:
    """Fix services that drifted in every way we know, ask them, and keep the table.

    Example: nox -s drift -- --gap cors
    """
    _install_ours(session)
    live = _environment(session, "live", LIVE)
    pipeline = _environment(session, "dbt", DBT)
    words = ("--python", live, "--dbt", pipeline, *session.posargs)
    session.run("python", "-m", "tools", "drift", *words)


@nox.session
def negative_control(session: nox.Session) -> None:
    """Put the whole battery to the order carried out by the letter, and name every red probe.

    Example: nox -s negative_control
    """
    _install_ours(session)
    python = _environment(session, "live", LIVE)
    session.run(
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
    _install_ours(session, EMULATORS)
    session.run(
        "pytest",
        "tests/audit_selftest.py",
        *session.posargs,
        env={
            "CLOSEOUT_LIVE_PYTHON": _environment(session, "live", LIVE),
            "CLOSEOUT_DBT_PYTHON": _environment(session, "dbt", DBT),
            "CLOSEOUT_VISION_PYTHON": _environment(session, "vision", VISION),
        },
    )


@nox.session
def adoption(session: nox.Session) -> None:
    """Adopt a copy of the reference monorepo with nothing but the wheel, fix it and judge it.

    Example: nox -s adoption
    """
    _install_ours(session)
    session.run("pytest", "tests/adoption_selftest.py", *session.posargs)


@nox.session
def mutation_of_fixes(session: nox.Session) -> None:
    """Take every hunk of our fixes back, alone, and see that a probe notices.

    Example: nox -s mutation_of_fixes -- --only cors.py
    """
    _install_ours(session)
    _judge(session, "mutate", "live", LIVE, "tools")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Spoil what is read, five minutes or `-- --seconds N --seed S`: every run must end well.

    Example: nox -s fuzz -- --seconds 60
    """
    _install_ours(session)
    session.run("python", "-m", "tools", "fuzz", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, beside a peer in the same run; `-- --backups --full` backs up 1 GB.

    Example: nox -s bench
    """
    _install_ours(session)
    session.run("python", "-m", "tools", "bench", *session.posargs)
