"""A file that nobody can look into blocks what would have looked, and is told in every form."""

import json
from pathlib import Path

import pytest

from closeout.cli.commands import detect, fix
from closeout.cli.commands import report as reporting
from closeout.errors import ExitCode
from closeout.fs.tree import SIZE_CAP
from closeout.gaps import GAPS
from tests.support import hostile
from tests.support.monorepos import space_for

SIBLING = Path("cloud-layer/barn/app/main.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small monorepo that is closed."""
    root = hostile.small_monorepo(tmp_path / "root")
    fix.fix(space_for(tmp_path, root), GAPS)
    return root


def _judged(home: Path, root: Path) -> tuple[ExitCode, dict[str, str], list[str]]:
    """Return the code of a report, the verdicts by criterion, and the unreadable files."""
    code = reporting.build(space_for(home, root))
    report = json.loads((home / "reports/latest/report.json").read_bytes())
    assert report["exit_code"] == int(code)
    verdicts = {item["id"]: item["verdict"] for item in report["criteria"]}
    return code, verdicts, [item["path"] for item in report["unreadable"]]


def _hide(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(hostile.WILDCARD)
    place.chmod(0)


def test_unreadable_source_blocks_what_looks_at_such_sources(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may trust every origin: nobody can say that none does."""
    _, before, _ = _judged(tmp_path, root)
    _hide(root / SIBLING)
    code, verdicts, unreadable = _judged(tmp_path, root)
    assert code is ExitCode.GAPS_LEFT
    assert unreadable == [str(SIBLING)]
    assert (before["1.3"], verdicts["1.3"]) == ("CLOSED", "BLOCKED")
    assert verdicts["7.2"] == "BLOCKED"
    assert verdicts["3.1"] == before["3.1"]
    assert f"not read: {SIBLING}: nobody may read it" in capsys.readouterr().out
    assert f"- {SIBLING}: nobody may read it" in (tmp_path / "reports/latest/report.md").read_text()


def test_detect_tells_an_unreadable_source_as_not_judged(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence would read as nothing found."""
    _hide(root / SIBLING)
    capsys.readouterr()
    assert detect.detect(space_for(tmp_path, root), GAPS) is ExitCode.GAPS_LEFT
    told = capsys.readouterr().out
    assert f"{SIBLING}:1: not judged, unreadable: nobody may read it" in told


def test_large_file_that_no_check_reads_blocks_nothing(tmp_path: Path, root: Path) -> None:
    """Pictures, models and archives are told, and stand in nobody's way."""
    _, before, _ = _judged(tmp_path, root)
    for name in ("model.onnx", "video.mp4", "package-of-data.json"):
        with (root / name).open("wb") as stream:
            stream.truncate(SIZE_CAP + 1)
    code, verdicts, unreadable = _judged(tmp_path, root)
    assert verdicts == before
    assert code is not ExitCode.SETTLED
    assert unreadable == ["model.onnx", "package-of-data.json", "video.mp4"]


def test_folder_that_cannot_be_walked_blocks_every_check_of_files(
    tmp_path: Path, root: Path
) -> None:
    """It may hold a service."""
    (root / "cloud-layer/new\nline").mkdir()
    code, verdicts, unreadable = _judged(tmp_path, root)
    assert code is ExitCode.GAPS_LEFT
    assert verdicts["1.3"] == "BLOCKED"
    assert verdicts["7.2"] == "BLOCKED"
    assert unreadable == ["cloud-layer/new\\nline"]
