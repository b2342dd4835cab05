"""Fixing while somebody edits, disks are full and runs are cut off: whole, told, never locked."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from closeout import process
from closeout.cli import session
from closeout.cli.commands import audit, detect, fix, init, undo
from closeout.cli.commands import report as reporting
from closeout.cli.error_handler import guarded
from closeout.console import output
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import patching, place, recovery, transaction, writer
from closeout.fs.tree import SIZE_CAP
from closeout.gaps import GAPS
from tests.support import hostile
from tests.support.builders import snapshot
from tests.support.monorepos import space_for

COMPOSE = "edge-layer/docker-compose.yml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small monorepo in which six gaps are open."""
    return hostile.small_monorepo(tmp_path / "root")


def _blocked(home: Path) -> set[str]:
    report = json.loads((home / "reports/latest/report.json").read_bytes())
    return {gap["slug"] for gap in report["gaps"] if gap["verdict"] == "BLOCKED"}


def _cut_off(root: Path, home: Path) -> None:
    """Kill a fix in the middle of its writing."""
    child = os.fork()
    if child == 0:
        honest, left = place.replace, [3]

        def replace(*where: object) -> None:
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            honest(*where)

        place.replace = replace
        fix.fix(space_for(home, root), GAPS)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("moment", ["between plan and write", "while others are written"])
def test_edit_at_the_wrong_moment_refuses_its_gaps_and_locks_nothing(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    moment: str,
) -> None:
    """The edit is kept, the others are fixed, and the next run and undo go on from there."""
    before = snapshot(root)
    mine = before[COMPOSE][0] + b"# mine\n"
    step = "troubles" if moment == "between plan and write" else "journal_of"
    honest = getattr(transaction, step)

    def edited(*given: object) -> object:
        made = honest(*given)
        (root / COMPOSE).write_bytes(mine)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(transaction, step, edited)
        assert fix.fix(space_for(tmp_path, root), GAPS) is ExitCode.GAPS_LEFT
    told = capsys.readouterr().out
    assert f"{COMPOSE} is left as it is: it changed while the plan was made" in told
    assert (root / COMPOSE).read_bytes() == mine
    report = json.loads((tmp_path / "reports/latest/report.json").read_bytes())
    written = {change["gap"] for change in report["changes"]}
    assert {"sql", "rate-limit", "backup"} & written
    assert "mqtt-tls" in _blocked(tmp_path)
    fix.fix(space_for(tmp_path, root), GAPS)
    assert "mqtt-tls" not in _blocked(tmp_path)
    for _ in range(2):
        assert undo.undo(space_for(tmp_path, root), "") is ExitCode.SETTLED
    assert snapshot(root) == {**before, COMPOSE: (mine, before[COMPOSE][1])}


def test_a_mended_file_that_somebody_edits_stops_neither_a_session_nor_the_rest_of_an_undo(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is judged as it is, compared with itself; an undo refuses it and offers the rest."""
    before, space = snapshot(root), space_for(tmp_path, root)
    fix.fix(space, detect.select("backup,headers"))
    fixed = snapshot(root)
    written = {path for path in fixed if fixed[path] != before.get(path)}
    mine = next(path for path in sorted(written & before.keys()) if path.endswith("main.py"))
    left = {mine, mine.replace("main.py", "security_headers.py")}
    assert len([path for path in written if path.endswith("/security_headers.py")]) == 2
    assert written - left
    (root / mine).write_bytes((root / mine).read_bytes() + b"# mine\n")
    edited = snapshot(root)
    kept = before | {path: edited[path] for path in left}
    earlier = session.before_fix(space, tmp_path / "earlier")
    assert earlier is not None
    assert snapshot(earlier) == kept
    assert f"compared with itself: {', '.join(sorted(left))}" in _flat(capsys)
    reporting.build(space)
    with pytest.raises(CloseoutError, match="was edited after the run"):
        undo.undo(space, "")
    assert snapshot(root) == edited
    assert undo.undo(space, "", keeps_edited=True) is ExitCode.GAPS_LEFT
    assert snapshot(root) == kept
    assert f"{mine} was edited since" in _flat(capsys)


def _flat(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("kind", ["unreadable", "large"])
def test_file_that_nobody_can_read_is_not_taken_for_absent(
    root: Path, tmp_path: Path, kind: str
) -> None:
    """It stands where a new one is planned: its gap is refused, and the next undo works."""
    place_of_it = root / "scripts/backup-database.sh"
    place_of_it.parent.mkdir(parents=True, exist_ok=True)
    with place_of_it.open("wb") as stream:
        stream.truncate(SIZE_CAP + 1 if kind == "large" else 1)
    place_of_it.chmod(0 if kind == "unreadable" else 0o644)
    before = snapshot(root)
    assert fix.fix(space_for(tmp_path, root), GAPS) is ExitCode.GAPS_LEFT
    assert "backup" in _blocked(tmp_path)
    assert undo.undo(space_for(tmp_path, root), "") is ExitCode.SETTLED
    assert snapshot(root) == before


def test_half_written_tree_is_told_first_and_judged_by_nobody(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From another home, and after it was moved."""
    _cut_off(root, tmp_path / "home")
    moved = root.rename(tmp_path / "moved")
    space = space_for(tmp_path / "elsewhere", moved)
    for judge in (
        lambda: detect.detect(space, GAPS),
        lambda: reporting.build(space),
        lambda: fix.show(space, GAPS),
        lambda: audit.quick(space),
    ):
        with pytest.raises(recovery.HalfWrittenError) as caught:
            judge()
        assert caught.value.exit_code is ExitCode.GAPS_LEFT
        assert f"fix.undo --root {moved}" in caught.value.hint
        assert capsys.readouterr().out.splitlines()[1].startswith("half-written: ")
    with pytest.raises(recovery.HalfWrittenError):
        init.adopt(str(moved))


@pytest.mark.parametrize("way", ["undo", "fix"])
def test_half_written_tree_is_put_back_from_another_home(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    """An undo does that and no more; a fix goes on."""
    before = snapshot(root)
    _cut_off(root, tmp_path / "home")
    moved = root.rename(tmp_path / "moved")
    space = space_for(tmp_path / "elsewhere", moved)
    if way == "undo":
        assert undo.undo(space, "") is ExitCode.SETTLED
    else:
        fix.fix(space, GAPS)
        assert undo.undo(space, "") is ExitCode.SETTLED
    assert "rolled back the interrupted fix" in capsys.readouterr().out
    assert snapshot(moved) == before


def test_undo_after_a_kill_does_not_undo_the_run_before_it(root: Path, tmp_path: Path) -> None:
    """What was cut off is what a person means."""
    space = space_for(tmp_path, root)
    fix.fix(space, detect.select("sql"))
    once = snapshot(root)
    _cut_off(root, tmp_path)
    assert undo.undo(space, "") is ExitCode.SETTLED
    assert snapshot(root) == once


@contextmanager
def _no_room(folder: Path, size: int) -> Iterator[None]:
    del size
    raise OSError(errno.ENOSPC, "No space left on device", str(folder))
    yield


def test_full_disk_of_the_reports_ends_before_the_first_write(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is recorded, and room for the report, come first."""
    before = snapshot(root)
    monkeypatch.setattr(writer, "room", _no_room)
    code = guarded(tmp_path, lambda: fix.fix(space_for(tmp_path, root), GAPS))
    assert code is ExitCode.UNUSABLE_INPUT
    assert "error: home-not-writable" in capsys.readouterr().err
    assert snapshot(root) == before


@pytest.mark.parametrize("what", ["scratch", "git"])
def test_full_disk_while_planning_is_no_gap_and_no_bug(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    """The scratch copy of a patch finds no room, or git does in it: unusable input, and why."""
    before = snapshot(root)
    if what == "scratch":
        monkeypatch.setattr(patching, "_put", lambda *_: _no_room(tmp_path, 0).__enter__())
    else:
        honest = process.run

        def run(argv: list[str], **named: Any) -> process.Result:  # noqa: ANN401 - whatever it takes
            done = honest(argv, **named)
            if argv[:2] != ["git", "apply"] or "--check" in argv:
                return done
            told = f"error: unable to write file 'x' mode 100644: {os.strerror(errno.ENOSPC)}\n"
            return replace(done, code=128, err=told)

        monkeypatch.setattr(process, "run", run)
    code = guarded(tmp_path / "home", lambda: fix.fix(space_for(tmp_path / "home", root), GAPS))
    told = capsys.readouterr()
    assert code is ExitCode.UNUSABLE_INPUT, told.err
    assert "error: disk-full" in told.err
    assert os.strerror(errno.ENOSPC) in " ".join(told.err.split())
    assert snapshot(root) == before


def test_reports_that_cannot_be_a_folder_are_unusable_input(root: Path, tmp_path: Path) -> None:
    """Something else stands there."""
    (tmp_path / "reports").write_text("x")
    before = snapshot(root)
    code = guarded(tmp_path, lambda: fix.fix(space_for(tmp_path, root), GAPS))
    assert code is ExitCode.UNUSABLE_INPUT
    assert snapshot(root) == before


def test_room_is_given_back(tmp_path: Path) -> None:
    """Nothing of it is left in the folder, and a size that no disk has is refused."""
    with writer.room(tmp_path, 4096):
        pass
    with pytest.raises(OSError, match=r"."), writer.room(tmp_path, 1 << 60):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_closed_streams_are_no_bug(tmp_path: Path, closing: str) -> None:
    """A command that nobody listens to still says by its code how it ended."""
    argv = [sys.executable, "-m", "closeout", "order", "check", str(tmp_path / "missing.md")]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closing}', "sh", *argv],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.UNUSABLE_INPUT, done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_say_survives_a_stream_that_was_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none where a descriptor was closed before it began."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert guarded(Path("/nonexistent"), lambda: output.say("x") or ExitCode.SETTLED) == 0


def test_run_about_another_tree_is_refused_by_the_command(root: Path, tmp_path: Path) -> None:
    """Neither tree is written to."""
    fix.fix(space_for(tmp_path, root), detect.select("sql"))
    other = hostile.small_monorepo(tmp_path / "other")
    once, name = snapshot(root), os.readlink(tmp_path / "reports/latest")  # noqa: PTH115 - a name
    with pytest.raises(CloseoutError) as caught:
        undo.undo(space_for(tmp_path, other), name)
    assert caught.value.reference == "run-of-another-tree"
    assert snapshot(root) == once
