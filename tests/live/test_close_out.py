"""`fix.all` on the reference monorepo: closes, repeats, undoes, and survives a kill."""

import json
import os
import re
import shutil
import signal
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from closeout.cli.commands import audit, detect, fix, undo
from closeout.engine import patch_series, planner
from closeout.errors import CloseoutError, ExitCode
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import GAPS
from closeout.runs import store, workspace
from tests.support.builders import snapshot
from tests.support.monorepos import invoke, reference_copy, space_for


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict]:
    """Return a home, its fixed copy of the reference monorepo, and the bytes from before."""
    home = tmp_path_factory.mktemp("home")
    root = reference_copy(home / "farmiq")
    before = snapshot(root)
    assert fix.fix(space_for(home, root), GAPS) is ExitCode.UNPROVEN
    return home, root, before


def test_fix_leaves_no_gap_open(closed: tuple[Path, Path, dict]) -> None:
    """Every place is closed; what is not settled is unproven, and names its command."""
    home, _, _ = closed
    report = json.loads((home / "reports/latest/report.json").read_bytes())
    assert {gap["open_after"] for gap in report["gaps"]} == {0}
    assert all(gap["open_before"] > 0 for gap in report["gaps"])
    assert {row["verdict"] for row in report["criteria"]} == {"CLOSED", "UNPROVEN"}


def test_report_is_valid_against_its_published_schema(closed: tuple[Path, Path, dict]) -> None:
    """The report holds for every criterion what the schema promises."""
    home, _, _ = closed
    report = json.loads((home / "reports/latest/report.json").read_bytes())
    schema = json.loads(
        resources.files("closeout.formats.schemas").joinpath("report.schema.json").read_text()
    )
    jsonschema.validate(report, schema)
    assert len(report["criteria"]) == 57


def test_schema_refuses_a_closed_criterion_without_evidence(
    closed: tuple[Path, Path, dict],
) -> None:
    """The published schema holds the invariant too."""
    home, _, _ = closed
    report = json.loads((home / "reports/latest/report.json").read_bytes())
    row = next(row for row in report["criteria"] if row["verdict"] == "CLOSED")
    row["evidence"] = []
    schema = json.loads(
        resources.files("closeout.formats.schemas").joinpath("report.schema.json").read_text()
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema)


def test_every_prepared_patch_is_used_as_prepared(closed: tuple[Path, Path, dict]) -> None:
    """On the reference monorepo nothing has to be derived."""
    home, _, _ = closed
    plan = json.loads((home / "reports/latest/plan.json").read_bytes())
    assert {change["origin"] for change in plan["changes"]} == {"prepared", "template", "suite"}


def test_second_fix_changes_no_byte(
    closed: tuple[Path, Path, dict], capsys: pytest.CaptureFixture[str]
) -> None:
    """Fixing twice is fixing once, and its plan is told in no row of noughts."""
    home, root, _ = closed
    once = snapshot(root)
    assert fix.fix(space_for(home, root), GAPS) is ExitCode.UNPROVEN
    assert snapshot(root) == once
    assert "\nplan: no place found open; no file to write\n" in capsys.readouterr().out


def test_undo_restores_every_byte(tmp_path: Path) -> None:
    """The tree after an undo is the tree from before, modes and folders included."""
    root = reference_copy(tmp_path / "farmiq")
    before = snapshot(root)
    space = space_for(tmp_path, root)
    fix.fix(space, GAPS)
    assert snapshot(root) != before
    assert undo.undo(space, "") is ExitCode.SETTLED
    assert snapshot(root) == before
    with pytest.raises(CloseoutError) as caught:
        undo.undo(space, "")
    assert caught.value.reference == "nothing-to-undo"


def test_dry_run_writes_nothing_and_prints_the_same_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would be written is what is written, to the file."""
    root = reference_copy(tmp_path / "farmiq")
    before, files = snapshot(tmp_path), snapshot(root)
    space = space_for(tmp_path, root)
    assert fix.show(space, GAPS) is ExitCode.UNPROVEN
    shown = [line for line in capsys.readouterr().out.splitlines() if _is_plan(line)]
    assert snapshot(tmp_path) == before
    fix.fix(space, GAPS)
    done = [line for line in capsys.readouterr().out.splitlines() if _is_plan(line)]
    assert shown == done
    after = snapshot(root)
    added = len(after.keys() - files.keys())
    changed = sum(after[name] != content for name, content in files.items())
    assert added + changed > len(GAPS)
    assert done[0].endswith(f"; {added} files to add, {changed} to change")


def _is_plan(line: str) -> bool:
    return line.startswith("plan:")


def _killed_at(write: int, space: workspace.Workspace, plan: planner.Plan) -> bool:
    """Write the plan in a child that SIGKILL ends at its n-th file; return whether it did."""
    child = os.fork()
    if child == 0:
        real, left = os.replace, [write]

        def counting(source: str, target: str, **folders: int) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            real(source, target, **folders)

        os.replace = counting  # type: ignore[assignment]  # the one call every write makes
        fix.write(space, plan)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(("only", "stride"), [("sql", 1), ("", 13)], ids=["every", "all gaps"])
def test_kill_at_any_write_can_be_undone_or_rolled_back(
    tmp_path: Path, only: str, stride: int
) -> None:
    """After SIGKILL at a write, the next command gives the old tree, or the new."""
    root = reference_copy(tmp_path / "farmiq")
    before = snapshot(root)
    gaps = detect.select(only)
    plan = planner.plan(gaps, DiskTree(root), lambda slug: patch_series.load(fix.PATCHES, slug))
    changed = write = 0
    whole: dict[str, tuple[bytes, int]] = {}
    while _killed_at(write, space := space_for(tmp_path / f"home{write}", root), plan):
        changed += snapshot(root) != before
        store.recover(space.reports, root)
        if store.undoable(space.reports, root):  # its last file was written: it is whole
            assert snapshot(root) == whole or not whole
            whole = snapshot(root)
            undo.undo(space, "")
        assert snapshot(root) == before, f"killed at write {write}"
        write += stride
    assert changed >= 2
    assert snapshot(root) != before


@pytest.mark.parametrize("damage", ["delete", "break its context"])
def test_damaged_prepared_patch_leaves_its_gap_open_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """The gap is not CLOSED, the code is 1, the message names file, line and next step."""
    patches = tmp_path / "patches"
    shutil.copytree(fix.PATCHES, patches)
    victim = min((patches / "cors").glob("*.patch"))
    if damage == "delete":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes().replace(b"\n ", b"\n  ", 1))
    monkeypatch.setattr(fix, "PATCHES", patches)
    root = reference_copy(tmp_path / "farmiq")
    assert fix.fix(space_for(tmp_path, root), GAPS) is ExitCode.GAPS_LEFT
    report = json.loads((tmp_path / "reports/latest/report.json").read_bytes())
    verdicts = {gap["slug"]: gap["verdict"] for gap in report["gaps"]}
    assert verdicts["cors"] == "DRIFTED"
    assert "OPEN" not in verdicts.values()
    out = capsys.readouterr().out
    assert f"patches/cors/{victim.name}" in out
    assert re.search(r"  ! \S+/app/main\.py\n +[1-9]\d*  (?:missing|unusable|drifted)", out)
    assert "hint: invoke patches.prepare" in out


def test_file_that_does_not_parse_blocks_its_gap_and_nothing_else(tmp_path: Path) -> None:
    """The broken file keeps its bytes, its gap is BLOCKED with the line, all others are fixed."""
    root = reference_copy(tmp_path / "farmiq")
    broken = root / "cloud-layer/cloud-inference-server/app/main.py"
    broken.write_bytes(broken.read_bytes().replace(b"FastAPI(", b"FastAPI((", 1))
    before = broken.read_bytes()
    assert fix.fix(space_for(tmp_path, root), GAPS) is ExitCode.GAPS_LEFT
    assert broken.read_bytes() == before
    report = json.loads((tmp_path / "reports/latest/report.json").read_bytes())
    verdicts = {gap["slug"]: gap["verdict"] for gap in report["gaps"]}
    assert verdicts["cors"] == "BLOCKED"
    assert verdicts["headers"] == "BLOCKED"
    assert verdicts["factory-secret"] not in {"BLOCKED", "OPEN"}
    row = next(row for row in report["criteria"] if row["id"] == "1.1")
    assert "cloud-inference-server/app/main.py:" in row["because"]


def test_audit_changes_nothing_and_finds_the_unfixed_tree_open(tmp_path: Path) -> None:
    """Judging a tree leaves it as it is."""
    root = reference_copy(tmp_path / "farmiq")
    before = digest(DiskTree(root))
    assert audit.quick(space_for(tmp_path, root)) is ExitCode.GAPS_LEFT
    assert digest(DiskTree(root)) == before


@pytest.mark.parametrize(
    ("case", "reference"),
    [
        ("missing", "root-missing"),
        ("empty", "root-empty"),
        ("slash", "root-unsafe"),
        ("unreadable", "root-unreadable"),
        ("read-only", "not-writable"),
    ],
)
def test_unusable_root_gives_a_clear_error_and_code_2(
    tmp_path: Path, case: str, reference: str
) -> None:
    """Nothing is written, and the message says what to do."""
    root = tmp_path / "root"
    if case == "slash":
        root = Path("/")
    elif case == "empty":
        root.mkdir()
    elif case != "missing":
        reference_copy(root)
        for place in sorted(root.rglob("*")):
            if case == "unreadable" and place.is_file():
                place.chmod(0)
            if case == "read-only" and place.is_dir():
                place.chmod(0o555)
        root.chmod(0o555 if case == "read-only" else 0o755)
    done = invoke(tmp_path / "home", "fix.all", "--root", str(root))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {reference}\n")
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / "scripts").exists()


def test_fix_all_names_the_monorepo_first_and_what_settles_the_rest(tmp_path: Path) -> None:
    """As a person types it: the first line, the table, the commands, exit code 4."""
    done = invoke(tmp_path / "home", "fix.all")
    assert done.returncode == 4, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("monorepo: ")
    assert "working copy of the bundled reference monorepo" in lines[0]
    assert "left unproven, and what settles it:" in lines
    for command in ("nox -s live_probes", "nox -s coverage_gates", "nox -s dbt"):
        assert f"  {command}" in lines
    table = lines[lines.index("-" * 80) :]
    assert [row.split()[0] for row in table[1:11]] == [str(number) for number in range(1, 11)]
    assert all(len(row) <= 80 for row in table[1:11])


def test_workspace_keeps_its_working_copy_until_the_reference_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixed working copy stays fixed for the sessions that follow; a stale one is replaced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOSEOUT_ROOT", raising=False)
    chosen = workspace.choose(tmp_path, None)
    (chosen.root / "mark").write_text("x")
    assert (workspace.choose(tmp_path, None).root / "mark").exists()
    (tmp_path / "build/farmiq.origin").write_text("another reference")
    assert not (workspace.choose(tmp_path, None).root / "mark").exists()
