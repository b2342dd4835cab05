"""What an audit says of its parts while it runs."""

from pathlib import Path

import pytest

from closeout.cli import session
from closeout.cli.commands import audit, probe
from closeout.errors import CloseoutError, ExitCode
from closeout.model import Observation, Probe, ProbeContext
from closeout.runs.workspace import Workspace
from tests.support.builders import write_files
from tests.support.monorepos import space_for


def _asks(context: ProbeContext) -> Observation:
    return Observation(passed=True, expected="up", observed=str(context.root), command="none")


def _lost(number: int) -> Probe:
    return Probe(
        id=f"toy.{number}",
        criterion="1.1",
        needs=("cloud-nowhere",),
        run=_asks,
        subject="cloud-nowhere",
    )


def _left_out(*_: object) -> ExitCode:
    raise CloseoutError("toy", "not in this test", hint="none.")


def test_audit_tells_a_cause_once_with_the_probes_that_it_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the count of what did not run stands why, once."""

    def live(space: Workspace, python: Path, only: str) -> ExitCode:
        assert not only
        return probe.ask_battery(space, python, [_lost(number) for number in range(5)])

    monkeypatch.setattr(session, "judge", _left_out)
    monkeypatch.setattr(probe, "live_probes", live)
    root = write_files(tmp_path / "root", {"cloud-layer/README.md": b"nothing yet\n"})
    python = tmp_path / "python"
    audit.audit(space_for(tmp_path / "home", root), lambda _: python)
    printed = capsys.readouterr().out
    assert "live_probes: 5 answers, 0 fail, 5 not run" in printed
    cause = "cloud-nowhere is not up: the tree has no service folder cloud-nowhere"
    assert f"\n    not run: 5 probes, {cause}\n" in printed
    live_part, _, _ = printed.partition("\n\n")
    assert live_part.count(cause) == 1
