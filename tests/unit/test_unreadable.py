"""A file that nobody can look into blocks what would have looked, and is told in every form."""

import json
from pathlib import Path

import pytest

from closeout.cli.commands import detect, fix
from closeout.cli.commands import report as reporting
from closeout.errors import ExitCode
from closeout.fs.tree import SIZE_CAP, DiskTree, digest
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
    told = capsys.readouterr().out
    assert f"not read:\n  ! {SIBLING}\n" in told
    assert "        1  unreadable: nobody may read it" in told
    assert f"- {SIBLING}: nobody may read it" in (tmp_path / "reports/latest/report.md").read_text()


def test_detect_tells_an_unreadable_source_as_not_judged(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence would read as nothing found."""
    _hide(root / SIBLING)
    capsys.readouterr()
    assert detect.detect(space_for(tmp_path, root), GAPS) is ExitCode.GAPS_LEFT
    told = capsys.readouterr().out
    assert "\nnot judged:\n" in told
    assert f"\n  ! {SIBLING}\n        1  unreadable: nobody may read it" in told


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


BAD_COMPOSE = {
    "syntax": b"services:\n  api: {image: x\n",
    "anchor": b"services:\n  api: *nowhere\n",
    "latin": "services:\n  api: {image: caf\xe9}\n".encode("latin-1"),
    "tab": b"services:\n\tapi:\n",
    "utf-16": "services:\n  api: {image: x}\n".encode("utf-16"),
    "deep": b"x: " + b"[" * 100_000 + b"]" * 100_000,
    "itself": b"services: &a\n  api: *a\n",
}


@pytest.mark.parametrize("kind", BAD_COMPOSE)
def test_compose_file_that_does_not_parse_blocks_what_reads_compose_files(
    kind: str, tmp_path: Path, root: Path
) -> None:
    """It may trust every origin and hold every secret: nobody can say that it does not."""
    _, before, _ = _judged(tmp_path, root)
    (root / "cloud-layer/docker-compose.other.yml").write_bytes(BAD_COMPOSE[kind])
    code, verdicts, _ = _judged(tmp_path, root)
    assert code is ExitCode.GAPS_LEFT
    assert [before[each] for each in ("1.3", "4.1", "10.3")] == ["CLOSED", "CLOSED", "CLOSED"]
    assert [verdicts[each] for each in ("1.2", "1.3", "4.1", "4.2", "10.3")] == ["BLOCKED"] * 5
    assert verdicts["3.1"] == before["3.1"]


def test_chart_values_that_do_not_parse_block_what_reads_them(tmp_path: Path, root: Path) -> None:
    """What a chart hands on cannot be told."""
    values = root / "cloud-layer/cloud-identity-access/helm/values.yaml"
    values.parent.mkdir(parents=True, exist_ok=True)
    values.write_bytes(b"env: {\n")
    _, verdicts, _ = _judged(tmp_path, root)
    assert [verdicts[each] for each in ("1.2", "4.2", "10.3")] == ["BLOCKED"] * 3


def test_source_in_another_encoding_blocks_what_looks_at_such_sources(
    tmp_path: Path, root: Path
) -> None:
    """No search for bytes finds anything in UTF-16, whatever it says."""
    place = root / "cloud-layer/barn/src/index.ts"
    place.parent.mkdir(parents=True)
    place.write_bytes("app.use(cors({ origin: '*' }));".encode("utf-16"))
    _, verdicts, unreadable = _judged(tmp_path, root)
    assert unreadable == ["cloud-layer/barn/src/index.ts"]
    assert verdicts["4.1"] == "BLOCKED"


def test_linked_service_is_told_and_blocks(tmp_path: Path, root: Path) -> None:
    """What a link leads to outside of the tree runs, and nobody looked at it."""
    (tmp_path / "elsewhere").mkdir()
    (root / "cloud-layer/barn").symlink_to(tmp_path / "elsewhere")
    _, verdicts, unreadable = _judged(tmp_path, root)
    assert unreadable == ["cloud-layer/barn"]
    assert verdicts["1.3"] == "BLOCKED"


def test_source_below_a_folder_of_certificates_is_judged_and_makes_evidence_stale(
    root: Path,
) -> None:
    """Only keys and certificates are left out of the digest."""
    before = digest(DiskTree(root))
    folder = root / "cloud-layer/certs"
    folder.mkdir()
    (folder / "server.key").write_bytes(b"key")
    assert digest(DiskTree(root)) == before
    (folder / "main.py").write_bytes(hostile.WILDCARD)
    assert digest(DiskTree(root)) != before


_ERROR = (
    "compose : level=warning msg=something is not set\r\n"
    "At C:\\\\jobs\\\\check.ps1:7 char:3\r\n"
    "    + CategoryInfo          : NotSpecified: (level=warning:String) [], RemoteException\r\n"
    "    + FullyQualifiedErrorId : NativeCommandError\r\n \r\n"
)
_OUTPUT = "name: barn\r\nservices:\r\n  api:\r\n    image: x\r\n"


def test_output_that_powershell_kept_is_told_and_blocks_nothing(tmp_path: Path, root: Path) -> None:
    """It begins with an error message: no program takes it for what its name says."""
    _, before, _ = _judged(tmp_path, root)
    record = root / "cloud-layer/checks/compose.resolved.yml"
    record.parent.mkdir()
    record.write_bytes((_ERROR + _OUTPUT).encode("utf-16"))
    code, verdicts, unreadable = _judged(tmp_path, root)
    assert verdicts == before
    assert unreadable == ["cloud-layer/checks/compose.resolved.yml"]
    assert code is not ExitCode.SETTLED


@pytest.mark.parametrize(
    "content",
    [
        _OUTPUT.encode("utf-16"),
        (_ERROR + _OUTPUT).encode(),
        (_OUTPUT + "#" * 20_000 + _ERROR).encode("utf-16"),
    ],
    ids=["no error", "not UTF-16", "error far behind"],
)
def test_what_only_resembles_such_output_blocks(content: bytes, tmp_path: Path, root: Path) -> None:
    """It may be a compose file that somebody starts once it is mended."""
    (root / "cloud-layer/compose.resolved.yml").write_bytes(content)
    _, verdicts, _ = _judged(tmp_path, root)
    assert [verdicts[each] for each in ("1.2", "1.3", "10.3")] == ["BLOCKED"] * 3
