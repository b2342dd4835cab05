"""Every command that is said to settle something is run, and settles just that."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from closeout.cli.commands import fix, probe, report
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from closeout.runs.workspace import Workspace
from tests.support.builders import write_files
from tests.support.monorepos import space_for
from tests.support.strangers import SHOP

_PROBES = "nox -s live_probes"


def _verdicts(space: Workspace) -> dict[str, tuple[str, str]]:
    """Return each criterion's verdict and what settles it, roll-ups left out."""
    read = json.loads((space.reports / "latest/report.json").read_bytes())
    rows = [row for row in read["criteria"] if not row["rests_on"]]
    return {row["id"]: (row["verdict"], row["settled_by"]) for row in rows}


def _assert_settled(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]], command: str
) -> None:
    """Hold that what was left to `command` is closed, and that nothing else has moved."""
    named = {number for number, row in before.items() if row == ("UNPROVEN", command)}
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
