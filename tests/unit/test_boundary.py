"""What a system refuses becomes a message and an exit code, not a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from closeout.cli.error_handler import guarded
from closeout.errors import ExitCode
from tests.support.builders import snapshot, write_files
from tests.support.strangers import SHOP

CHECKOUT = Path(__file__).resolve().parents[2]


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
    assert [line[:4] for line in told if line[:1] != " "] == ["erro", "hint"]


def test_bug_is_told_when_its_log_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands where the log's folder belongs."""
    (tmp_path / "reports").touch()

    def act() -> ExitCode:
        raise ValueError("no")

    assert guarded(tmp_path, act) == ExitCode.OWN_BUG
    assert "error: bug-of-ours" in capsys.readouterr().err


def test_read_only_checkout_ends_every_door_before_the_first_write(tmp_path: Path) -> None:
    """Real rights, as a person without them has: exit code 2, a hint, and a tree as it was.

    The kind stands wherever the home is written first: lock, run folder, log of a bug.
    """
    home = write_files(tmp_path / "home", {"tasks.py": (CHECKOUT / "tasks.py").read_bytes()})
    root = write_files(tmp_path / "shop", SHOP)
    before = snapshot(root)
    home.chmod(0o555)
    # Root may write everywhere, unless it is started without that right.
    rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] * (os.geteuid() == 0)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "src")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CLOSEOUT_CACHE": str(tmp_path / "cache"),
    }
    for door in ("fix.all", "report.build", "detect.all"):
        ended = subprocess.run(
            [*rights, sys.executable, "-m", "invoke", "--search-root", home, door, "--root", root],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        told = ended.stdout + ended.stderr
        assert "Traceback" not in told, told
        if door == "detect.all":
            assert ended.returncode == ExitCode.GAPS_LEFT, told
        else:
            assert ended.returncode == ExitCode.UNUSABLE_INPUT, told
            assert "error: home-not-writable" in told
            assert "hint: " in told
    assert snapshot(root) == before
