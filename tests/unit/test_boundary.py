"""What a system refuses becomes a message and an exit code, not a traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from closeout.cli.error_handler import guarded
from closeout.errors import ExitCode


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_home_that_cannot_be_written_is_unusable_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """Exit code 2, as for a monorepo that cannot be written, and what to do."""

    def act() -> ExitCode:
        raise OSError(number, "refused", str(tmp_path / "reports" / "run"))

    assert guarded(tmp_path, act) == ExitCode.UNUSABLE_INPUT
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "error: home-not-writable"
    assert len(told) == 3


def test_bug_is_told_when_its_log_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands where the log's folder belongs."""
    (tmp_path / "reports").touch()

    def act() -> ExitCode:
        raise ValueError("no")

    assert guarded(tmp_path, act) == ExitCode.OWN_BUG
    assert "error: bug-of-ours" in capsys.readouterr().err
