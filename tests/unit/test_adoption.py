"""`closeout init` gives a monorepo its doors and takes nothing away."""

from pathlib import Path

import pytest
from tests.support.builders import snapshot, write_files

from closeout import adoption
from closeout.errors import ExitCode


def test_adopt_writes_the_doors(tmp_path: Path) -> None:
    """A monorepo without them gets all three, and they are Python that compiles."""
    write_files(tmp_path, {"cloud-layer/a.py": b""})
    assert adoption.adopt(str(tmp_path)) is ExitCode.SETTLED
    for name in ("tasks.py", "noxfile.py"):
        compile((tmp_path / name).read_text(), name, "exec")
    assert (tmp_path / "closeout.toml").exists()


def test_adopt_keeps_what_is_there_and_shows_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing file is never overwritten."""
    write_files(tmp_path, {"tasks.py": b"mine = 1\n"})
    assert adoption.adopt(str(tmp_path)) is ExitCode.GAPS_LEFT
    assert (tmp_path / "tasks.py").read_bytes() == b"mine = 1\n"
    assert "-mine = 1" in capsys.readouterr().out


def test_adopt_twice_changes_nothing(tmp_path: Path) -> None:
    """The second run finds its own files."""
    write_files(tmp_path, {"a": b""})
    adoption.adopt(str(tmp_path))
    once = snapshot(tmp_path)
    assert adoption.adopt(str(tmp_path)) is ExitCode.SETTLED
    assert snapshot(tmp_path) == once
