"""What `invoke backup.run` keeps as evidence; the script itself is replaced by how it ended."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from closeout.cli.desk import WorkspaceDesk
from closeout.errors import ExitCode
from closeout.gaps.backup import operations
from closeout.gaps.backup.probing import drill
from closeout.model import Means
from closeout.runs import evidence_store
from tests.support.monorepos import space_for

BUCKET = "gs://farm-backups"
DONE = drill.ScriptRun(
    code=0,
    events=({"event": "backup", "status": "ok"}, {"event": "backup", "status": "ok"}),
    message="",
    command="backup-database.sh",
    seconds=1.0,
)
REFUSED = drill.ScriptRun(
    code=5, events=(), message="error: not uploaded", command="backup-database.sh", seconds=1.0
)
DOWN = drill.ScriptRun(
    code=3, events=(), message="error: no answer", command="backup-database.sh", seconds=1.0
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Provide a monorepo that has nothing but our scripts."""
    root = tmp_path / "farm"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(drill.SCRIPTS / "backup-database.sh", root / "scripts")
    return root


@pytest.mark.parametrize(
    ("run", "settings", "passed", "told"),
    [
        (DONE, {}, True, f"2 backups made, every finished one is in {BUCKET}"),
        (REFUSED, {}, False, "not uploaded"),
        (DOWN, {}, None, "no answer"),
        (DONE, {"BACKUP_ENDPOINT_URL": "http://127.0.0.1:1"}, None, "perhaps an EMULATOR"),
        (DONE, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, None, "perhaps an EMULATOR"),
    ],
    ids=["arrived", "refused", "no-server", "own-endpoint", "endpoint-of-the-tool"],
)
def test_run_with_a_bucket_is_kept_as_the_operators_evidence(  # noqa: PLR0913 - a table
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    run: drill.ScriptRun,
    settings: Mapping[str, str],
    passed: bool | None,
    told: str,
) -> None:
    """Only an upload to a bucket of the cloud's own proves 9.3 and M.8; a refused one denies."""
    for name, value in {"BACKUP_BUCKET": BUCKET, **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(drill, "back_up", lambda _: run)
    space = space_for(tmp_path / "home", tree)
    code = operations.run_backup(WorkspaceDesk(space))
    kept = evidence_store.gather(space.reports, tree)
    assert code is (ExitCode.SETTLED if run.ok else ExitCode.GAPS_LEFT)
    assert {(item.criterion, item.passed, item.means) for item in kept} == {
        ("9.3", passed, Means.OPERATOR),
        ("M.8", passed, Means.OPERATOR),
    }
    assert all(told in item.observed for item in kept)


def test_run_of_a_script_that_the_tree_does_not_have_proves_nothing(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ran is ours; where the tree has another one, its upload is not shown."""
    (tree / "scripts" / "backup-database.sh").write_text("#!/bin/sh\n")
    monkeypatch.setenv("BACKUP_BUCKET", BUCKET)
    monkeypatch.setattr(drill, "back_up", lambda _: DONE)
    space = space_for(tmp_path / "home", tree)
    operations.run_backup(WorkspaceDesk(space))
    kept = evidence_store.gather(space.reports, tree)
    assert {item.passed for item in kept} == {None}
    assert all("a script of its own" in item.observed for item in kept)


def test_run_without_a_bucket_keeps_no_evidence(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that stays here says nothing about a bucket."""
    monkeypatch.delenv("BACKUP_BUCKET", raising=False)
    monkeypatch.setattr(drill, "back_up", lambda _: DONE)
    space = space_for(tmp_path / "home", tree)
    operations.run_backup(WorkspaceDesk(space))
    assert evidence_store.gather(space.reports, tree) == ()


@pytest.mark.needs("bash")
def test_setting_that_is_missing_is_unusable_input(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both scripts are run, and say which; no gap is open because of it."""
    for name in drill.settings_from_environment():
        monkeypatch.delenv(name)
    desk = WorkspaceDesk(space_for(tmp_path / "home", tree))
    assert operations.run_backup(desk) is ExitCode.UNUSABLE_INPUT
    assert operations.run_restore(desk, "--newest cloud_telemetry") is ExitCode.UNUSABLE_INPUT
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(": error: ")[0] for line in told] == [
        "backup-database",
        "restore-database",
    ]
