"""Every command that is said to settle something is run, and settles just that."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from closeout import process
from closeout.cli import session
from closeout.cli.commands import detect, fix, probe, report
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from closeout.harness import postgres
from closeout.model import Gate
from closeout.reporting import criteria
from closeout.runs.workspace import Workspace
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import write_files
from tests.support.monorepos import invoke, reference_copy, space_for
from tests.support.recorded_cluster import HEALTHY, program, recorded_api
from tests.support.strangers import SHOP

_PROBES = "nox -s live_probes"
_DBT = "nox -s dbt"
_COVERAGE = "nox -s coverage_gates"
_VERIFY = "invoke secrets.verify"
_INSTALL = f"k8s/external-secrets/install.sh, then {_VERIFY}"
_BACKUP = (
    "BACKUP_BUCKET=gs://NAME BACKUP_DIR=DIR POSTGRES_HOST=HOST POSTGRES_USER=ROLE invoke backup.run"
)


def _verdicts(space: Workspace) -> dict[str, tuple[str, str]]:
    """Return each criterion's verdict and what settles it, roll-ups left out."""
    read = json.loads((space.reports / "latest/report.json").read_bytes())
    rows = [row for row in read["criteria"] if not row["rests_on"]]
    return {row["id"]: (row["verdict"], row["settled_by"]) for row in rows}


def _assert_settled(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]], *commands: str
) -> None:
    """Hold that what was left to the commands is closed, and that nothing else has moved."""
    left = {("UNPROVEN", command) for command in commands}
    named = {number for number, row in before.items() if row in left}
    assert named
    moved = {number for number, row in after.items() if row[0] != before[number][0]}
    assert moved == named
    assert {after[number][0] for number in named} == {"CLOSED"}


@pytest.mark.live
@pytest.mark.needs("services-env", "node")
def test_probes_settle_what_they_are_named_for_on_a_strangers_tree(tmp_path: Path) -> None:
    """The services of a small shop are booted before and after the fix."""
    tmp_path.chmod(0o755)
    space = space_for(tmp_path / "home", write_files(tmp_path / "shop", SHOP))
    fix.fix(space, GAPS)
    before = _verdicts(space)
    code = probe.live_probes(space, Path(os.environ["CLOSEOUT_LIVE_PYTHON"]))
    assert code is ExitCode.SETTLED
    report.build(space)
    _assert_settled(before, _verdicts(space), _PROBES)


def test_each_fix_mends_what_it_is_named_for(tmp_path: Path) -> None:
    """In the order's sequence, what is said to be left to a fix is open no longer, and no more."""
    space = space_for(tmp_path / "home", reference_copy(tmp_path / "farmiq"))
    report.build(space)
    while named := _left_to_fixes(space):
        command, numbers = next(iter(named.items()))
        before = _verdicts(space)
        fix.fix(space, detect.select(command.removeprefix("invoke fix.")))
        moved = {key for key, row in _verdicts(space).items() if row[0] != before[key][0]}
        assert moved == numbers, command
        assert command not in _left_to_fixes(space)


def _left_to_fixes(space: Workspace) -> dict[str, set[str]]:
    """Return the fixes that a report names, each with the criteria that it is said to be for."""
    read = json.loads((space.reports / "latest/report.json").read_bytes())
    return {
        item["by"]: {row["id"] for row in item["rows"]}
        for item in criteria.left(read)
        if item["by"].startswith("invoke fix.")
    }


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace on a fixed copy of the reference; each test settles its own part of it."""
    place = tmp_path_factory.mktemp("farm")
    place.chmod(0o755)
    space = space_for(place / "home", reference_copy(place / "farmiq"))
    fix.fix(space, GAPS)
    return space


def _pythons(requirements: str) -> Path:
    return Path(os.environ[f"CLOSEOUT_{Path(requirements).stem.upper()}_PYTHON"])


@pytest.mark.live
@pytest.mark.needs("dbt-env", "vision-env", "npm")
def test_pipeline_and_suites_settle_what_they_are_named_for(farm: Workspace) -> None:
    """The pipeline is built on a real server, then both suites run, before the fix and after it."""
    before = _verdicts(farm)
    assert session.judge(farm, session.named("dbt"), _pythons) is ExitCode.SETTLED
    report.build(farm)
    between = _verdicts(farm)
    _assert_settled(before, between, _DBT)

    for gate in session.gates():
        if gate.suite:
            assert session.judge(farm, (gate,), _pythons) is ExitCode.SETTLED
    assert session.judge_suites(farm) is ExitCode.SETTLED
    report.build(farm)
    _assert_settled(between, _verdicts(farm), _COVERAGE)


@pytest.mark.needs("bash")
def test_installing_the_operator_settles_what_it_is_named_for(
    farm: Workspace, tmp_path: Path
) -> None:
    """The script that the fix laid is run; nothing answers for the cluster before helm was."""
    before = _verdicts(farm)
    programs, cluster = tmp_path / "bin", tmp_path / "cluster"
    programs.mkdir()
    cluster.mkdir()
    recorded_api(cluster, HEALTHY)
    program(programs, "helm", f'touch "{cluster}/installed"')
    program(
        programs,
        "kubectl",
        f'[[ -f "{cluster}/installed" ]] || exit 1\n'
        f'[[ $1 != get ]] || exec "{cluster}/kubectl" "$@"',
    )
    script, _, then = _INSTALL.partition(", then ")
    here = {"PATH": f"{programs}:{os.environ['PATH']}"}
    asked = (*then.removeprefix("invoke ").split(), "--root", str(farm.root))
    assert invoke(farm.home, *asked, **here).returncode == ExitCode.UNPROVEN
    assert process.run([farm.root / script], env=here, deadline=60).ok
    done = invoke(farm.home, *asked, **here)
    assert done.returncode == ExitCode.SETTLED, done.stdout + done.stderr
    report.build(farm)
    _assert_settled(before, _verdicts(farm), _VERIFY, _INSTALL)


_BUCKET = """
[[ $1 != check ]] || exit 0
source="${*: -2:1}" target="FOLDER/${*: -1}"
mkdir -p "$(dirname "$target")"
cp -r "$source" "$target"
"""
"""What stands in for rclone: a folder is the bucket."""


@pytest.mark.live
@pytest.mark.needs("bash")
def test_backing_up_settles_what_it_is_named_for(
    farm: Workspace, server: postgres.Server, tmp_path: Path
) -> None:
    """The very words of the order, a real server, and a bucket that takes what it is given."""
    before = _verdicts(farm)
    programs, bucket = tmp_path / "bin", tmp_path / "bucket"
    programs.mkdir()
    program(programs, "rclone", _BUCKET.replace("FOLDER", str(bucket)))
    values = {"NAME": "farm", "DIR": tmp_path / "backups", "HOST": server.host, "ROLE": server.user}
    command = _BACKUP
    for name, value in values.items():
        command = re.sub(rf"\b{name}\b", str(value), command)
    settings = dict(word.split("=", 1) for word in command.split() if "=" in word)
    asked = command.rpartition("invoke ")[2].split()
    beside = {"PGPORT": str(server.port), "PGPASSWORD": server.password, "PGBIN": str(server.bin)}
    here = {"PATH": f"{programs}:{os.environ['PATH']}", **beside, **settings}
    done = invoke(farm.home, *asked, "--root", str(farm.root), **here)
    assert done.returncode == ExitCode.SETTLED, done.stdout + done.stderr
    assert "cloud_telemetry" in {place.parents[1].name for place in bucket.rglob("VERIFIED")}
    report.build(farm)
    _assert_settled(before, _verdicts(farm), _BACKUP)


def test_every_command_of_the_order_belongs_to_what_answers_for_its_criteria() -> None:
    """Sessions have a probe or a gate for each of theirs, on whichever tree they are run."""
    gates = [gate for gap in GAPS for gate in gap.gates()]
    asking = {
        _PROBES: {item.criterion for gap in GAPS for item in gap.probes()},
        _DBT: _asked_by(gate for gate in gates if gate.session == "dbt"),
        _COVERAGE: _asked_by(gate for gate in gates if gate.suite),
        _VERIFY: _asked_by(gate for gate in gates if gate.name == "cluster"),
        _INSTALL: {"10.1"},
        _BACKUP: {"9.3", "M.8"},
        "invoke detect.all": {rule.criterion for gap in GAPS for rule in gap.rules},
    }
    named = {item.settled_by for item in WO_004.criteria if not item.rests_on}
    assert named == asking.keys()
    for item in WO_004.criteria:
        assert item.rests_on or item.id in asking[item.settled_by], item.id


def _asked_by(gates: Iterable[Gate]) -> set[str]:
    return {number for gate in gates for number in gate.criteria}
