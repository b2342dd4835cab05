"""A session's exit code is what the battery's answers before and after the fix ask for."""

import sys
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli.commands import fix, probe
from closeout.engine import planner
from closeout.errors import ExitCode
from closeout.model import Edit, Observation, Probe, ProbeContext
from closeout.runs import evidence_store
from tests.support.builders import write_files
from tests.support.monorepos import space_for


def _reads_state(context: ProbeContext) -> Observation:
    seen = (context.root / "state").read_text()
    passed = {"good": True, "bad": False}.get(seen)
    return Observation(passed=passed, expected="good", observed=seen, command="cat state")


PROBE = Probe(id="toy.state", criterion="1.1", needs=(), run=_reads_state)


@pytest.mark.parametrize(
    ("states", "kind", "code"),
    [
        (("bad", "good"), "proof", ExitCode.SETTLED),
        (("good", "unreadable"), "not run", ExitCode.UNPROVEN),
        (("good", "bad"), "regression", ExitCode.GAPS_LEFT),
    ],
)
def test_battery_session_ends_as_its_worst_answer_asks(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    states: tuple[str, str],
    kind: str,
    code: ExitCode,
) -> None:
    """A regression fails the run, and what did not run leaves it unproven."""
    before, after = (state.encode() for state in states)
    root = write_files(tmp_path / "root", {"state": before})
    space = space_for(tmp_path / "home", root)
    edit = Edit(path=PurePosixPath("state"), before=before, after=after)
    fix.write(space, planner.Plan(before={}, after={}, proposals=(), edits=(edit,)))
    assert probe.ask_battery(space, Path(sys.executable), [PROBE]) is code
    (item,) = evidence_store.gather(space.reports, root)
    assert item.kind.value == kind
    assert f"{kind:<10} 1.1   toy.state" in capsys.readouterr().out
