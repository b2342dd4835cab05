"""A dozen shapes of tree: each is mended or told, twice the same, undone to the byte."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli.commands import detect, fix, undo
from closeout.errors import ExitCode
from closeout.gaps import GAPS
from closeout.parsing import syntax
from closeout.runs import store
from closeout.runs.workspace import Workspace
from tests.support.builders import snapshot, write_files
from tests.support.monorepos import MAKERS_TASKS, space_for
from tests.support.shapes import SHAPES, Shape
from tests.unit.test_stranger import FOREIGN

CHECKOUT = Path(__file__).resolve().parents[2]
ENDS = {ExitCode.SETTLED, ExitCode.GAPS_LEFT, ExitCode.UNPROVEN}


@pytest.fixture(params=SHAPES.values(), ids=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> Shape:
    """Return one shape after the other."""
    made: Shape = request.param
    return made


def _changed(before: dict[str, tuple[bytes, int]], root: Path) -> dict[str, bytes]:
    return {
        path: content
        for path, (content, mode) in snapshot(root).items()
        if before.get(path) != (content, mode)
    }


def _space(shape: Shape, folder: Path, *, with_git: bool = False) -> Workspace:
    root = write_files(folder / "tree", dict(shape.files))
    if with_git:
        subprocess.run(["git", "init", "--quiet", root], check=True, timeout=60)
    return space_for(folder / "home", root)


def test_shape_is_mended_or_told_and_put_back(
    shape: Shape, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the order's project is written, what parsed parses, and no command ends badly.

    Without Git: the tree is no repository, and none is looked for above it.
    """
    space = _space(shape, tmp_path)
    before = snapshot(space.root)
    assert detect.detect(space, GAPS) in ENDS
    assert snapshot(space.root) == before
    capsys.readouterr()

    assert fix.fix(space, GAPS) in ENDS
    printed = capsys.readouterr().out
    changed = _changed(before, space.root)
    assert set(shape.mended) <= changed.keys()
    assert [path for path in shape.told if f"! {path}" not in printed] == []
    for path, content in changed.items():
        assert FOREIGN.search(content) is None, path
        assert syntax.trouble(PurePosixPath(path), content) is None, path
        if b"\r\n" in shape.files.get(path, b""):
            assert content.count(b"\n") == content.count(b"\r\n"), path

    run = store.latest(space.reports, space.root) if changed else None
    assert fix.fix(space, GAPS) in ENDS
    assert _changed(before, space.root) == changed
    if run is not None:
        assert undo.undo(space, run.folder.name) is ExitCode.SETTLED
    assert snapshot(space.root) == before


@pytest.mark.parametrize(
    "name", ["single FastAPI service at the root", "single Express service at the root"]
)
def test_service_is_fixed_from_its_own_folder(name: str, tmp_path: Path) -> None:
    """`--root .` in a repository of one service, by the door that users take."""
    space = _space(SHAPES[name], tmp_path, with_git=True)
    space.home.mkdir(parents=True)
    (space.home / "tasks.py").write_text(MAKERS_TASKS)
    kept = snapshot(space.root / ".git")
    command = [sys.executable, "-m", "invoke", "--search-root", space.home, "fix.all"]
    ends = [
        subprocess.run(
            [*command, "--root", "."],
            cwd=space.root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), f"{CHECKOUT}/src"])},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        for _ in range(2)
    ]
    for ended in ends:
        assert ended.returncode in ENDS, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
    assert "no file to write" in ends[1].stdout
    assert snapshot(space.root / ".git") == kept
    for path in SHAPES[name].mended:
        assert (space.root / path).read_bytes() != SHAPES[name].files[path]
