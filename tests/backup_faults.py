"""The backup scripts killed at every step, for `nox -s backup_faults`: about half an hour.

Its name keeps it out of `nox -s tests`, which takes `test_*.py` and a few of the steps.
"""

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.buckets import gcs_emulator, s3_emulator
from closeout.harness import postgres
from tests.support import steps


def test_scripts_killed_at_every_step_leave_whole_things_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every line that a scenario carries out is killed once, in the first that has it."""
    known: dict[str, set[int]] = {}
    faults: list[str] = []
    missed: list[str] = []
    table: list[str] = []
    with (
        drill.workplace() as shared,
        postgres.server(shared) as server,
        s3_emulator(shared) as s3,
        gcs_emulator(shared) as gcs,
    ):
        drill.seed(server)
        for scenario in steps.SCENARIOS:
            lines = known.setdefault(scenario.script, set())
            with drill.workplace() as place:
                walked = steps.walk(
                    scenario, server, place, {"s3": s3, "gs": gcs}, known=frozenset(lines)
                )
            lines |= set(walked.lines)
            faults += walked.faults
            missed += [f"{scenario.name}: line {line}" for line in walked.missed]
            table.append(f"{scenario.name}: {len(walked.lines)} lines, {walked.killed} killed here")
            with capsys.disabled():
                print(table[-1], *walked.faults, sep="\n  ", flush=True)  # noqa: T201 - its sign of life
    killed = {script: len(lines) for script, lines in known.items()}
    assert faults == []
    assert missed == []
    assert all(count > 150 for count in killed.values())
